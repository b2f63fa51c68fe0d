//! What has gone through the sockets since the process began.

use crate::counter;

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
    /// Calls that have begun and not ended: threads that are blocked, or about to be or not to be.
    pub inside: u64,
}

#[derive(Clone, Copy)]
pub(super) enum Counter {
    Writes,
    Sends,
    BytesSent,
    Reads,
    Receives,
    BytesReceived,
    Ended,
}

static TOTALS: counter::Counters<7> = counter::Counters::new();

/// The totals, for the calling thread to add to.
#[derive(Clone, Copy)]
pub(super) struct Totals(counter::Mine<7>);

impl Totals {
    #[inline]
    pub(super) fn mine() -> Self {
        Self(TOTALS.mine())
    }

    /// Counts a `send` or `recv` and its bytes.
    #[inline]
    pub(super) fn add_transfer(self, calls: Counter, bytes: Counter, amount: usize) {
        self.0.add(calls as usize, 1);
        self.0.add(bytes as usize, amount as u64);
    }
}

/// Counts a call, from now until it is dropped.
pub(super) struct Call(Totals);

impl Call {
    #[inline]
    pub(super) fn begin(kind: Counter) -> Self {
        let totals = Totals::mine();
        totals.0.add(kind as usize, 1);
        Self(totals)
    }

    /// For what the call itself counts.
    #[inline]
    pub(super) fn totals(&self) -> Totals {
        self.0
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        let Self(totals) = self;
        totals.0.add(Counter::Ended as usize, 1);
    }
}

/// The totals of the process so far. From any thread, at any time.
#[must_use]
pub fn counters() -> Counters {
    let total = |counter: Counter| TOTALS.sum(counter as usize);
    // The ended first: a call that begins and ends meanwhile must not count as less than none.
    let ended = total(Counter::Ended);
    let begun = total(Counter::Writes) + total(Counter::Reads);
    Counters {
        writes: total(Counter::Writes),
        sends: total(Counter::Sends),
        bytes_sent: total(Counter::BytesSent),
        reads: total(Counter::Reads),
        receives: total(Counter::Receives),
        bytes_received: total(Counter::BytesReceived),
        inside: begun.saturating_sub(ended),
    }
}
