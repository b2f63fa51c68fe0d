/*
 * offheap: the JDK's off-heap half, for C and C++.
 *
 * Unsafe's memory, the budget of java.nio.Bits, direct buffers, the socket calls of the JDK's
 * libnet, and reports of them all. In a process that runs a JVM with offheap, C and Java share one
 * budget.
 *
 * LINKING
 *   cc program.c $(pkg-config --cflags --libs offheap)              liboffheap.so
 *   cc program.c $(pkg-config --cflags --libs --static offheap)     with only liboffheap.a at hand
 *   Where both are installed, -l:liboffheap.a instead of -loffheap takes the static one. A program
 *   without any shared library (cc -static) is not supported.
 *   The shared library is never unloaded: dlclose leaves it mapped. Each static copy in a process
 *   has a budget of its own, so link liboffheap.a once, or else the shared library.
 *
 * NAMES
 *   A function that does what a JDK method does has the JDK's name. What the JDK has no name for
 *   begins with offheap_.
 *
 * ERRORS
 *   A function that returns a pointer returns NULL and sets errno.
 *   A function that returns a status (int) returns 0 or an errno value, not by way of errno.
 *   NET_Send, NET_Read, NET_Timeout, NET_SocketClose and NET_Dup2 return -1 and set errno.
 *   offheap_get_* return 0 and set errno.
 *   errno means something only after a failure. An out-parameter is written only on success.
 *   Any function may report ENOTRECOVERABLE: a bug in offheap was caught before it reached the
 *   caller. A line on stderr says where.
 *
 * POINTERS
 *   A range (address and size) is the caller's word that all of it is mapped, and writable where
 *   it is written. NULL and ranges that go beyond the last address are found and refused; other bad
 *   addresses are not found, as in memcpy.
 *
 * THREADS
 *   Every function may be called from any thread at any time. None is async-signal-safe.
 *   A pthread_cancel of a thread inside NET_* or a reclaimer takes effect after that has returned.
 *
 * SIGNALS
 *   NET_SocketClose and NET_Dup2 wake other threads by signal SIGRTMAX - 2, as the JDK does. A
 *   thread's first NET_ call unblocks it there: do not block it afterwards. An empty handler is
 *   installed unless there is one; one that is there is kept, and loses SA_RESTART.
 *   No function of this library raises SIGPIPE.
 *
 * FORK
 *   The child of a multi-threaded process may call nothing of this library before exec.
 */


#ifndef OFFHEAP_H
#define OFFHEAP_H

/* Generated from src/capi by `OFFHEAP_BLESS=1 cargo test --test header`. Do not edit. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Which way reserveMemory waits when the budget has no room.
 */
typedef enum offheap_policy {
    /**
     * Today's JDKs: reclaim, then wait up to about 0.5 s for room.
     */
    OFFHEAP_POLICY_BACKOFF = 0,
    /**
     * Early JDK 8: reclaim, wait up to 100 ms, one more try.
     */
    OFFHEAP_POLICY_LEGACY = 1,
} offheap_policy;

/**
 * The budget at one moment. Figures are in bytes, save `count`.
 */
typedef struct offheap_budget_t {
    /**
     * The limit, on `total_capacity`.
     */
    int64_t max_memory;
    /**
     * Reserved, with slack for alignment.
     */
    int64_t reserved_memory;
    /**
     * Reserved, as the users asked for it.
     */
    int64_t total_capacity;
    /**
     * How many reservations.
     */
    int64_t count;
} offheap_budget_t;

/**
 * Frees memory, of which `shortfall` bytes are missing in the budget: whatever the program can
 * spare, by unreserveMemory or offheap_direct_free, now or soon.
 *
 * It runs on the thread that needs the room, on several at once if several do. It must return
 * normally (no longjmp, no C++ exception). It may reserve; it is not called for that reservation.
 */
typedef void (*offheap_reclaimer)(void *context, int64_t shortfall);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Allocates a block of at least `bytes` bytes, 16-aligned, its content unknown.
 *
 * Returns the block, which the caller owns until freeMemory or reallocateMemory; NULL without
 * an error if `bytes` is 0; else NULL with errno:
 * - ENOMEM: no such block to be had, or, under the agent, no room in the budget for it.
 *
 * Sizes are rounded up to 8 bytes. In a JVM that runs with the agent every block counts in the
 * budget, as the JVM's own do, and at the limit the call reclaims and waits as reserveMemory does;
 * do not reserve for it besides. Any thread. JDK: Unsafe.allocateMemory.
 */
void *allocateMemory(size_t bytes);

/**
 * Makes a block larger or smaller; it may move. The content of the common length stays.
 *
 * `address` is a block of allocateMemory or reallocateMemory, or NULL for a new block; the
 * caller must not use it again after success. Returns the block, which the caller owns; NULL
 * without an error if `bytes` is 0, the old block being freed; else NULL with errno, the old
 * block untouched and still the caller's:
 * - ENOMEM: no such block to be had, or, under the agent, no room in the budget for it;
 * - EINVAL: under the agent, a block that the JVM took from its own allocator.
 *
 * Any thread; no other may use the block meanwhile. JDK: Unsafe.reallocateMemory.
 */
void *reallocateMemory(void *address, size_t bytes);

/**
 * Frees a block of allocateMemory or reallocateMemory. NULL does nothing.
 *
 * Returns 0, or:
 * - EINVAL: under the agent, a block that the JVM took from its own allocator; it stays as it is.
 *
 * A block freed twice, or never allocated here, corrupts the heap as in free().
 * A direct buffer is not such a block: see offheap_direct_free.
 *
 * Any thread. JDK: Unsafe.freeMemory.
 */
int freeMemory(void *address);

/**
 * Sets `bytes` bytes from `address` on to `value`.
 *
 * Stores are at least 8, 4, 2 or 1 bytes wide, the widest that address and size are both multiples of:
 * a reader on another thread never sees part of a store. 0 bytes may be anywhere.
 *
 * Returns 0, or, nothing being written:
 * - EINVAL: `address` is NULL, or the range goes beyond the last address.
 *
 * Any thread. JDK: Unsafe.setMemory.
 */
int setMemory(void *address, size_t bytes, uint8_t value);

/**
 * Copies `bytes` bytes; the ranges may overlap.
 *
 * The width of loads and stores is setMemory's, by both addresses and the size. 0 bytes may be
 * anywhere.
 *
 * Returns 0, or, nothing being copied:
 * - EINVAL: a range starts at NULL or goes beyond the last address.
 *
 * Any thread. JDK: Unsafe.copyMemory.
 */
int copyMemory(const void *source, void *destination, size_t bytes);

/**
 * Copies `bytes` bytes and reverses the bytes of each element of `element_size` bytes; the
 * ranges may overlap and need no alignment.
 *
 * Returns 0, or, nothing being copied:
 * - EINVAL: `element_size` is not 2, 4 or 8, `bytes` is no multiple of it, or a range starts
 *   at NULL or goes beyond the last address.
 *
 * Any thread; no other may write the source or use the destination meanwhile.
 * JDK: Unsafe.copySwapMemory.
 */
int copySwapMemory(const void *source, void *destination, size_t bytes, size_t element_size);

/**
 * The version of the library that runs, as "0.1.0". The text is static: never freed, any thread.
 */
const char *offheap_version(void);

/**
 * The bytes in a page of memory, a power of two. Never fails. Any thread. JDK: Bits.pageSize.
 */
size_t pageSize(void);

/**
 * Reserves room in the budget for memory the caller is about to take by means of its own: malloc,
 * mmap, a device's. (Under the agent allocateMemory reserves for its blocks itself.)
 *
 * `capacity` is what its user asked for and what the limit is on; `size` is what it takes, with
 * slack, and is counted. If there is no room, the reclaimers are called (offheap_set_reclaimer,
 * and the collector of a JVM in this process), then this waits until other threads have given
 * back enough, as long as the policy says: 0.5 s, or 100 ms.
 *
 * Returns 0, the caller owing one unreserveMemory with the same figures; or, nothing being
 * reserved:
 * - EINVAL: a figure is negative, or the sum of sizes would exceed INT64_MAX;
 * - ENOMEM: no room.
 *
 * Any thread. JDK: Bits.reserveMemory.
 */
int reserveMemory(int64_t size, int64_t capacity);

/**
 * Reserves as reserveMemory does, if there is room now: calls nobody, waits for nothing.
 *
 * Returns 0, EINVAL or ENOMEM as reserveMemory does. Any thread. JDK: Bits.tryReserveMemory.
 */
int tryReserveMemory(int64_t size, int64_t capacity);

/**
 * Gives a reservation back, and wakes the waiting threads it makes room for.
 *
 * Returns 0, or, nothing being given back:
 * - EINVAL: a figure is negative, or more than is reserved.
 *
 * A call that matches no reservation, but takes no more than is reserved, passes, and leaves `count` one
 * too low.
 *
 * Any thread, not only the one that reserved. JDK: Bits.unreserveMemory.
 */
int unreserveMemory(int64_t size, int64_t capacity);

/**
 * Sets the limit of the budget, in bytes of capacity. 0 allows only reservations of capacity 0. A
 * limit below what is reserved takes nothing away. Waiting threads that now fit are woken. Until
 * it is set there is no limit (INT64_MAX), or in a process with a JVM that of the JVM.
 *
 * Returns 0, or, nothing being changed:
 * - EINVAL: `max` is negative.
 *
 * Any thread. JDK: -XX:MaxDirectMemorySize.
 */
int offheap_set_max_memory(int64_t max);

/**
 * The limit of the budget, in bytes; -1 and errno only if offheap has failed (ENOTRECOVERABLE).
 * Any thread. JDK: VM.maxDirectMemory.
 */
int64_t offheap_max_memory(void);

/**
 * Writes the figures of the budget to `out`, which the caller owns. Each figure is exact; between
 * two of them other threads may have reserved.
 *
 * Returns 0, or, nothing being written:
 * - EINVAL: `out` is NULL.
 *
 * Any thread. JDK: BufferPoolMXBean "direct".
 */
int offheap_budget(struct offheap_budget_t *out);

/**
 * Sets how reserveMemory waits, in the whole process: a value of offheap_policy. Reservations
 * under way keep the policy they began with. OFFHEAP_POLICY_BACKOFF is set at first.
 *
 * Returns 0, or, nothing being changed:
 * - EINVAL: no such policy.
 *
 * Any thread.
 */
int offheap_set_policy(int policy);

/**
 * Sets the function that frees memory when the budget has no room; NULL for none. There is one in
 * the process, beside the JVM's collector; it replaces the one before.
 *
 * `context` is handed to each call; it must be valid for any thread until it is replaced. When
 * this returns, the function before is not running in any thread and will not be called again,
 * so its context may be freed. It is waited for: the caller must hold no lock that it takes.
 *
 * Returns 0, or, nothing being changed:
 * - EDEADLK: called from inside the reclaimer, which can't be waited for.
 *
 * Any thread.
 */
int offheap_set_reclaimer(offheap_reclaimer callback, void *context);

/**
 * Reads 2 bytes at any alignment, most significant first. Returns the value; 0 with errno EINVAL
 * if `address` is NULL. Any thread. JDK: Bits.getShort.
 */
uint16_t offheap_get_u16be(const void *address);

/**
 * Reads 2 bytes at any alignment, least significant first. Returns the value; 0 with errno EINVAL
 * if `address` is NULL. Any thread. JDK: Bits.getShort.
 */
uint16_t offheap_get_u16le(const void *address);

/**
 * Reads 4 bytes at any alignment, most significant first. Returns the value; 0 with errno EINVAL
 * if `address` is NULL. Any thread. JDK: Bits.getInt.
 */
uint32_t offheap_get_u32be(const void *address);

/**
 * Reads 4 bytes at any alignment, least significant first. Returns the value; 0 with errno EINVAL
 * if `address` is NULL. Any thread. JDK: Bits.getInt.
 */
uint32_t offheap_get_u32le(const void *address);

/**
 * Reads 8 bytes at any alignment, most significant first. Returns the value; 0 with errno EINVAL
 * if `address` is NULL. Any thread. JDK: Bits.getLong.
 */
uint64_t offheap_get_u64be(const void *address);

/**
 * Reads 8 bytes at any alignment, least significant first. Returns the value; 0 with errno EINVAL
 * if `address` is NULL. Any thread. JDK: Bits.getLong.
 */
uint64_t offheap_get_u64le(const void *address);

/**
 * Writes 2 bytes at any alignment, most significant first. Returns 0; EINVAL if `address` is
 * NULL. Any thread. JDK: Bits.putShort.
 */
int offheap_put_u16be(void *address, uint16_t value);

/**
 * Writes 2 bytes at any alignment, least significant first. Returns 0; EINVAL if `address` is
 * NULL. Any thread. JDK: Bits.putShort.
 */
int offheap_put_u16le(void *address, uint16_t value);

/**
 * Writes 4 bytes at any alignment, most significant first. Returns 0; EINVAL if `address` is
 * NULL. Any thread. JDK: Bits.putInt.
 */
int offheap_put_u32be(void *address, uint32_t value);

/**
 * Writes 4 bytes at any alignment, least significant first. Returns 0; EINVAL if `address` is
 * NULL. Any thread. JDK: Bits.putInt.
 */
int offheap_put_u32le(void *address, uint32_t value);

/**
 * Writes 8 bytes at any alignment, most significant first. Returns 0; EINVAL if `address` is
 * NULL. Any thread. JDK: Bits.putLong.
 */
int offheap_put_u64be(void *address, uint64_t value);

/**
 * Writes 8 bytes at any alignment, least significant first. Returns 0; EINVAL if `address` is
 * NULL. Any thread. JDK: Bits.putLong.
 */
int offheap_put_u64le(void *address, uint64_t value);

/**
 * Allocates the memory of a direct buffer: zeroed, and counted against the budget.
 *
 * `capacity` is in bytes and may be 0. The block has max(1, capacity + slack) bytes, where the
 * slack is pageSize() if `page_aligned` is true, and then the address is a multiple of it; else
 * it is 16-aligned. If the budget has no room, this waits as reserveMemory does.
 *
 * Returns the address, never NULL on success, which the caller owns until offheap_direct_free;
 * else NULL with errno, and nothing is reserved:
 * - ENOMEM: no room in the budget, or no memory.
 *
 * Any thread. JDK: DirectByteBuffer(int).
 */
void *offheap_direct_allocate(size_t capacity, bool page_aligned);

/**
 * Frees the memory of a direct buffer and gives its share of the budget back.
 *
 * `address` is what offheap_direct_allocate returned; no thread may use the block any more.
 * Returns 0, or, nothing being done:
 * - EINVAL: not the address of a direct buffer of this library, or freed already, or NULL.
 *
 * Any thread; of several threads that free one buffer, one succeeds. JDK: DirectByteBuffer's
 * Deallocator.
 */
int offheap_direct_free(void *address);

/**
 * Sends up to `len` bytes on the socket `s`, as send() does. A signal does not end the call; a
 * NET_SocketClose or NET_Dup2 of another thread does.
 *
 * `flags` are send()'s; MSG_NOSIGNAL is always added, so there is no SIGPIPE.
 * Returns how many bytes the socket took, which may be fewer; else -1 with errno, among others:
 * - EBADF: `s` is no open descriptor, or was closed during the call;
 * - EINVAL: `len` is negative;
 * - EFAULT: `msg` is NULL and `len` is not 0;
 * - EAGAIN: `s` is non-blocking and full;
 * - EPIPE: the other end takes no more data.
 *
 * Any thread, several at once on one socket too. JDK 8: libnet's NET_Send.
 */
int NET_Send(int s, const void *msg, int len, unsigned int flags);

/**
 * Receives up to `len` bytes from the socket `s`, as recv() does without flags. A signal does not
 * end the call; a NET_SocketClose or NET_Dup2 of another thread does.
 *
 * Returns how many bytes came, at most INT_MAX, 0 at the end of the stream; else -1 with errno,
 * among others:
 * - EBADF: `s` is no open descriptor, or was closed during the call and no byte had come;
 * - EFAULT: `buf` is NULL and `len` is not 0;
 * - EAGAIN: `s` is non-blocking and empty;
 * - ECONNRESET: the peer has reset the connection.
 *
 * Any thread, several at once on one socket too. JDK 8: libnet's NET_Read.
 */
int NET_Read(int s, void *buf, size_t len);

/**
 * Waits until the socket `s` has something to read, is at its end or has an error to fetch.
 *
 * `timeout_ms` is in milliseconds: 0 only asks, negative waits without limit. Signals neither end
 * nor prolong the wait. Returns 1 if there is, 0 if the time has passed; else -1 with errno:
 * - EBADF: `s` is no open descriptor, or was closed during the call;
 * - ENOMEM: no memory for the table of descriptors.
 *
 * Any thread. JDK 8: libnet's NET_Timeout.
 */
int NET_Timeout(int s, long timeout_ms);

/**
 * Closes the descriptor `fd`. Every other thread inside a NET_ function on it returns, with -1 and
 * EBADF if it had moved no bytes; after this call none of them uses the number any more.
 *
 * Returns 0; else -1 with errno:
 * - EBADF: `fd` is no open descriptor, or another thread is closing it;
 * - or close()'s own, the number being free all the same.
 *
 * Any thread. JDK 8: libnet's NET_SocketClose.
 */
int NET_SocketClose(int fd);

/**
 * Makes `newfd` another number of the file `oldfd`, as dup2() does; what `newfd` was is closed as
 * NET_SocketClose does. If both are the same, nothing happens.
 *
 * Returns `newfd`; else -1 with errno, `newfd` staying what it was though calls on it may have
 * been ended:
 * - EBADF: `oldfd` is no open descriptor, `newfd` is negative or beyond the limit of the process,
 *   or another thread is closing `newfd`;
 * - ENOMEM: no memory for the table of descriptors.
 *
 * Any thread. JDK 8: libnet's NET_Dup2.
 */
int NET_Dup2(int oldfd, int newfd);

/**
 * Writes a report of this moment: how much is live, of which kind, the limit, what has gone
 * through the sockets; in a process with a JVM and offheap as its agent, the JVM's blocks too, and
 * who took them.
 *
 * `file` is where to; NULL is stderr. A plain file is replaced, so that who reads it finds a whole
 * report, the old or the new; to anything else (a pipe, a link) the report is added. `format` is
 * "text", "json", "collapsed" (a line for each site, for flame graphs) or "prometheus" (metrics in
 * its text format); NULL is "text". Both texts stay the caller's.
 *
 * Returns 0, or, a plain file being as it was:
 * - EINVAL: no such format;
 * - what the system said of the file: ENOENT, EACCES, ENOSPC, ...
 *
 * Any thread. Allocations go on meanwhile. JDK: jcmd PID VM.native_memory.
 */
int offheap_report(const char *file, const char *format);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* OFFHEAP_H */
