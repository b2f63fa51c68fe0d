use super::*;
use std::io::{Read, Seek, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

/// Numbers that are no open descriptor.
const CLOSED: [c_int; 3] = [-1, c_int::MIN, c_int::MAX];

fn buffer(of: &mut [u8]) -> Buffer {
    Buffer { iov_base: of.as_mut_ptr().cast(), iov_len: of.len() }
}

#[test]
fn no_descriptor_is_an_error_of_every_call() {
    let mut bytes = [0; 8];
    let buffers = [buffer(&mut bytes)];
    let at = buffers[0].iov_base.cast::<u8>();
    for fd in CLOSED {
        let calls: [&dyn Fn() -> Result<Status, Errno>; 10] = [
            // SAFETY: the range is live.
            &|| unsafe { read(fd, at, 8) },
            // SAFETY: as above.
            &|| unsafe { write(fd, at, 8) },
            // SAFETY: as above.
            &|| unsafe { pread(fd, at, 8, 0) },
            // SAFETY: as above.
            &|| unsafe { pwrite(fd, at, 8, 0) },
            // SAFETY: the buffers are live.
            &|| unsafe { readv(fd, buffers.as_ptr(), 1) },
            // SAFETY: as above.
            &|| unsafe { writev(fd, buffers.as_ptr(), 1) },
            // SAFETY: the range is live.
            &|| unsafe { receive(fd, at, 8) },
            // SAFETY: as above.
            &|| unsafe { send(fd, at, 8) },
            // SAFETY: the buffers are live.
            &|| unsafe { receive_scattered(fd, buffers.as_ptr(), 1) },
            // SAFETY: as above.
            &|| unsafe { send_gathered(fd, buffers.as_ptr(), 1) },
        ];
        let all = calls.map(|call| call());
        assert_eq!(all, [Err(Errno::EBADF); 10]);
    }
}

#[test]
fn addresses_positions_and_counts_that_are_wrong_are_the_kernels_to_refuse() {
    let fault = Errno::new(libc::EFAULT);
    let (socket, _peer) = UnixStream::pair().unwrap();
    let fd = socket.as_raw_fd();
    // SAFETY: the kernel refuses the address.
    assert_eq!(unsafe { write(fd, ptr::null(), 8) }, Err(fault));
    // SAFETY: the kernel refuses the count.
    assert_eq!(unsafe { writev(fd, ptr::null(), -1) }, Err(Errno::EINVAL));
    // SAFETY: the kernel refuses the count.
    assert_eq!(unsafe { readv(fd, ptr::null(), 1025) }, Err(Errno::EINVAL));
    let file = std::env::current_exe().and_then(std::fs::File::open).unwrap();
    let mut bytes = [0; 8];
    // SAFETY: the range is live.
    let before_the_start = unsafe { pread(file.as_raw_fd(), bytes.as_mut_ptr(), 8, -1) };
    assert_eq!(before_the_start, Err(Errno::EINVAL));
    let (datagrams, _peer) = UnixDatagram::pair().unwrap();
    // SAFETY: the kernel refuses the count.
    let negative = unsafe { send_gathered(datagrams.as_raw_fd(), ptr::null(), -1) };
    assert_eq!(negative, Err(Errno::new(libc::EMSGSIZE)));
}

#[test]
fn nothing_there_is_unavailable_and_the_end_is_the_end() {
    let (socket, peer) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut bytes = [0; 8];
    // SAFETY: the range is live.
    let nothing = unsafe { read(socket.as_raw_fd(), bytes.as_mut_ptr(), 8) };
    assert_eq!(nothing, Ok(Status::Unavailable));
    drop(peer);
    // SAFETY: the range is live.
    assert_eq!(unsafe { read(socket.as_raw_fd(), bytes.as_mut_ptr(), 8) }, Ok(Status::End));
    // SAFETY: the range is live. The test's process ignores SIGPIPE, as Rust's do.
    assert_eq!(unsafe { write(socket.as_raw_fd(), bytes.as_ptr(), 8) }, Err(Errno::EPIPE));
}

/// A file that only the caller has.
fn file(name: &str) -> std::fs::File {
    let path = std::env::temp_dir().join(format!("offheap-nio-{}-{name}", std::process::id()));
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path);
    std::fs::remove_file(&path).unwrap();
    file.unwrap()
}

#[test]
fn what_moves_is_counted_by_its_direction() {
    const WRITES: u64 = 5000;
    const READS: u64 = 3000;
    const SIZE: usize = 1000;
    /// Other tests count meanwhile, but in all not so much.
    const OTHERS: u64 = 1000;
    let file = file("counted");
    let fd = file.as_raw_fd();
    let mut bytes = [0; SIZE];
    let before = totals();
    for _ in 0..WRITES {
        // SAFETY: the range is live.
        assert_eq!(unsafe { pwrite(fd, bytes.as_ptr(), SIZE, 0) }, Ok(Status::Bytes(SIZE)));
    }
    for _ in 0..READS {
        // SAFETY: the range is live.
        assert_eq!(unsafe { pread(fd, bytes.as_mut_ptr(), SIZE, 0) }, Ok(Status::Bytes(SIZE)));
    }
    let now = totals();
    for (calls, counted) in
        [(WRITES, now.writes - before.writes), (READS, now.reads - before.reads)]
    {
        assert!((calls..calls + OTHERS).contains(&counted), "{counted}");
    }
    for (calls, counted) in [
        (WRITES, now.bytes_written - before.bytes_written),
        (READS, now.bytes_read - before.bytes_read),
    ] {
        let moved = calls * SIZE as u64;
        assert!((moved..moved + OTHERS).contains(&counted), "{counted}");
    }
    assert!(now.inside < OTHERS, "{}", now.inside);
}

#[test]
fn bytes_of_a_file_move_by_position_and_by_buffers() {
    let mut file = file("moved");
    let fd = file.as_raw_fd();
    let (mut first, mut second) = (*b"ab", *b"cde");
    let buffers = [buffer(&mut first), buffer(&mut second)];
    // SAFETY: the buffers are live.
    assert_eq!(unsafe { writev(fd, buffers.as_ptr(), 2) }, Ok(Status::Bytes(5)));
    // SAFETY: the range is live.
    assert_eq!(unsafe { pwrite(fd, b"X".as_ptr(), 1, 2) }, Ok(Status::Bytes(1)));
    let mut content = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "abXde");
    let (mut one, mut rest) = ([0; 1], [0; 9]);
    file.rewind().unwrap();
    let buffers = [buffer(&mut one), buffer(&mut rest)];
    // SAFETY: the buffers are live.
    assert_eq!(unsafe { readv(fd, buffers.as_ptr(), 2) }, Ok(Status::Bytes(5)));
    assert_eq!((&one, rest.get(..4).unwrap()), (b"a", b"bXde".as_slice()));
    let mut tail = [0; 9];
    // SAFETY: the range is live.
    assert_eq!(unsafe { pread(fd, tail.as_mut_ptr(), 9, 3) }, Ok(Status::Bytes(2)));
    assert_eq!(tail.get(..2), Some(b"de".as_slice()));
    // SAFETY: the range is live.
    assert_eq!(unsafe { pread(fd, tail.as_mut_ptr(), 9, 5) }, Ok(Status::End));
    file.write_all(b"!").unwrap();
}

#[test]
fn datagrams_are_scattered_and_gathered_and_a_closed_port_is_refused() {
    let here = UdpSocket::bind("127.0.0.1:0").unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").unwrap();
    here.connect(there.local_addr().unwrap()).unwrap();
    there.connect(here.local_addr().unwrap()).unwrap();
    let fd = here.as_raw_fd();
    let (mut first, mut second) = (*b"ab", *b"cde");
    // Beyond the limit the buffers are not looked at.
    let mut buffers = vec![buffer(&mut first), buffer(&mut second)];
    buffers.resize_with(2000, || Buffer { iov_base: ptr::null_mut(), iov_len: 0 });
    // SAFETY: the buffers are live or empty.
    assert_eq!(unsafe { send_gathered(fd, buffers.as_ptr(), 2000) }, Ok(Status::Bytes(5)));
    let (mut one, mut rest) = ([0; 1], [0; 9]);
    let into = [buffer(&mut one), buffer(&mut rest)];
    // SAFETY: the buffers are live.
    let came = unsafe { receive_scattered(there.as_raw_fd(), into.as_ptr(), 2) };
    assert_eq!(came, Ok(Status::Bytes(5)));
    assert_eq!((&one, rest.get(..4).unwrap()), (b"a", b"bcde".as_slice()));
    drop(there);
    // SAFETY: the range is live.
    assert_eq!(unsafe { send(fd, b"x".as_ptr(), 1) }, Ok(Status::Bytes(1)));
    let refused = Err(Errno::new(libc::ECONNREFUSED));
    // SAFETY: the range is live.
    assert_eq!(unsafe { receive(fd, one.as_mut_ptr(), 1) }, refused);
}

#[test]
fn a_reset_is_an_error_of_the_read_that_meets_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = libc::socklen_t::try_from(size_of::<libc::linger>()).unwrap();
    let value = (&raw const linger).cast();
    // SAFETY: the option's value is live, and has the size that is passed along.
    let set = unsafe {
        libc::setsockopt(peer.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size)
    };
    assert_eq!(set, 0);
    drop(peer);
    let mut bytes = [0; 8];
    // SAFETY: the range is live.
    let reset = unsafe { read(socket.as_raw_fd(), bytes.as_mut_ptr(), 8) };
    assert_eq!(reset, Err(Errno::ECONNRESET));
}
