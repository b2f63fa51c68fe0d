//! The other end of the connections of the programs that are measured.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// Listens until it is dropped. The first byte of a connection says what is done with it, see
/// `bench.OtherEnd`.
pub(crate) struct OtherEnd {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// The first byte of the connection that ends it all.
const QUIT: u8 = b'q';

impl OtherEnd {
    pub(crate) fn start() -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        Ok(Self { address, thread: Some(thread::spawn(move || serve(&listener))) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for OtherEnd {
    fn drop(&mut self) {
        let quit = TcpStream::connect(self.address).and_then(|mut own| own.write_all(&[QUIT]));
        // If it can't be told to end, it ends with the process.
        if let (Ok(()), Some(thread)) = (quit, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener) {
    let mut held = Vec::new();
    for mut connection in listener.incoming().flatten() {
        let mut role = [0];
        let [role] = match connection.read_exact(&mut role) {
            Ok(()) => role,
            Err(_) => continue,
        };
        match role {
            QUIT => return,
            b'd' => drop(thread::spawn(move || drain(connection))),
            b'f' => drop(thread::spawn(move || feed(connection))),
            _ => held.push(connection),
        }
    }
}

fn drain(mut connection: TcpStream) {
    let mut bytes = vec![0; 1 << 20];
    while connection.read(&mut bytes).is_ok_and(|read| read > 0) {}
}

fn feed(mut connection: TcpStream) {
    let bytes = vec![0; 1 << 16];
    while connection.write_all(&bytes).is_ok() {}
}
