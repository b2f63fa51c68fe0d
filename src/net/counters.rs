//! What has gone through the sockets since the process began.

use core::sync::atomic::{AtomicU64, Ordering};

/// Totals of the process. Each figure is exact; they are read one after the other, so a total
/// may be ahead of its neighbour by what happened in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Calls of [`socket_write`](super::socket_write).
    pub writes: u64,
    /// `send`s that took bytes.
    pub sends: u64,
    /// Bytes that the `send`s took.
    pub bytes_sent: u64,
    /// Calls of [`socket_read`](super::socket_read).
    pub reads: u64,
    /// `recv`s that succeeded, the end of the stream included.
    pub receives: u64,
    /// Bytes that the `recv`s brought.
    pub bytes_received: u64,
}

#[derive(Clone, Copy)]
pub(super) enum Counter {
    Writes,
    Sends,
    BytesSent,
    Reads,
    Receives,
    BytesReceived,
}

static TOTALS: [AtomicU64; 6] = [const { AtomicU64::new(0) }; 6];

pub(super) fn add(counter: Counter, amount: usize) {
    if let (Some(total), Ok(amount)) = (TOTALS.get(counter as usize), u64::try_from(amount)) {
        total.fetch_add(amount, Ordering::Relaxed);
    }
}

/// The totals of the process so far. From any thread, at any time.
#[must_use]
pub fn counters() -> Counters {
    let [writes, sends, bytes_sent, reads, receives, bytes_received] =
        TOTALS.each_ref().map(|total| total.load(Ordering::Relaxed));
    Counters { writes, sends, bytes_sent, reads, receives, bytes_received }
}
