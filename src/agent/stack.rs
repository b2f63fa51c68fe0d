//! Where in a Java program a block is taken: its stack, and what the stack says of the block.

use super::origin;
use super::vm::{self, Jvmti, NO_CALL};
use crate::ledger::{Family, Frame, Pool, Site, SiteId, Tracer, intern};
use jni::sys::JNI_VERSION_1_8;

/// Calls beyond this many are left out: the outermost.
const DEEPEST: usize = 64;

/// Tells sites by the stacks of Java threads.
pub(super) struct JavaStacks {
    jvmti: Jvmti,
    vm: *mut jni::sys::JavaVM,
}

// SAFETY: the JVM's own pointer, good in every thread.
unsafe impl Send for JavaStacks {}
// SAFETY: as above.
unsafe impl Sync for JavaStacks {}

impl JavaStacks {
    /// # Safety
    /// `vm` is the JVM's own, and in its live phase.
    pub(super) unsafe fn new(jvmti: Jvmti, vm: *mut jni::sys::JavaVM) -> Self {
        Self { jvmti, vm }
    }

    fn describe(&self, calls: &[vm::Call], door: Option<Family>) -> Site {
        // SAFETY: `new`'s caller guarantees the JVM.
        let env = unsafe { vm::environment(self.vm, JNI_VERSION_1_8) };
        let frames: Vec<Frame> = calls
            .iter()
            .map(|call| {
                // SAFETY: the method is running in this thread.
                let method = unsafe { self.jvmti.method(call.method) };
                // SAFETY: as above, and the environment is this thread's, or NULL.
                let class = unsafe { self.jvmti.class_of(call.method, env.cast()) };
                // SAFETY: as above.
                let line = unsafe { self.jvmti.line(call) };
                let unknown = || "?".to_owned();
                Frame {
                    class: class.map_or_else(|_| unknown(), |class| class.name),
                    method: method.map_or_else(|_| unknown(), |method| method.name),
                    line,
                }
            })
            .collect();
        let (family, owner, pool) = (family(&frames), owner(&frames), pool(&frames));
        // Native code may call from where no Java may run.
        let may_ask = door != Some(Family::C) && calls.len() < DEEPEST && !env.is_null();
        let origin = calls.get(owner).filter(|_| may_ask).and_then(|call| {
            // SAFETY: the method is running in this thread, and the environment is this thread's.
            unsafe { self.jvmti.with_class_of(call.method, env.cast(), origin::origin) }.ok()?
        });
        Site::new(frames, owner, family).by_door(door).in_pool(pool).from_origin(origin)
    }
}

impl Tracer for JavaStacks {
    fn site(&self, door: Option<Family>) -> Option<SiteId> {
        let mut room = [NO_CALL; DEEPEST];
        let calls = self.jvmti.stack(&mut room).ok().filter(|calls| !calls.is_empty())?;
        let mut key = [0; 2 * DEEPEST + 1];
        let door_number = door.map_or(0, |door| door as u64);
        let numbers = calls.iter().flat_map(|call| {
            [call.method.expose_provenance() as u64, call.location.cast_unsigned()]
        });
        let numbers = core::iter::once(door_number).chain(numbers);
        key.iter_mut().zip(numbers).for_each(|(place, number)| *place = number);
        intern(key.get(..2 * calls.len() + 1)?, || self.describe(calls, door))
    }
}

/// What a block is that these calls take: the first of them that says so decides.
fn family(frames: &[Frame]) -> Family {
    for frame in frames {
        match frame.class.as_str() {
            "sun.nio.ch.Util" | "sun.nio.ch.IOVecWrapper" | "sun.nio.ch.IOUtil" => {
                return Family::TemporaryBuffer;
            }
            "java.nio.DirectByteBuffer" | "java.nio.ByteBuffer" | "java.nio.Bits" => {
                // A temporary one is one too: it has the channel's calls further out.
                let temporary = frames.iter().any(|frame| frame.class == "sun.nio.ch.Util");
                return if temporary { Family::TemporaryBuffer } else { Family::DirectBuffer };
            }
            class if class.starts_with("jdk.internal.foreign.") => return Family::Arena,
            class if class.starts_with("io.offheap.") => return Family::Library,
            class if is_unsafe(class) => {}
            _ => break,
        }
    }
    Family::Unsafe
}

fn is_unsafe(class: &str) -> bool {
    matches!(class, "jdk.internal.misc.Unsafe" | "sun.misc.Unsafe")
}

/// The pool that keeps what these calls take.
fn pool(frames: &[Frame]) -> Option<Pool> {
    for Frame { class, method, .. } in frames {
        let (nest, method) = (class.split('$').next().unwrap_or(class), method.as_str());
        // Shaded copies have Netty's names behind a package of their own.
        let netty = nest.rsplit_once("netty.buffer.").map(|(_, class)| class);
        match (netty.unwrap_or(nest), method) {
            // A huge buffer has a chunk of its own, which goes with it: it comes another way.
            ("PoolArena", "newChunk" | "allocateNormal") => return Some(Pool::NettyPooled),
            ("AdaptivePoolingAllocator", "allocateFallback") => return None,
            ("AdaptivePoolingAllocator", "newChunkAllocation" | "newChunk" | "allocate") => {
                return Some(Pool::NettyAdaptive);
            }
            ("sun.nio.ch.Util", _) => return Some(Pool::TemporaryBuffers),
            // Where its threads keep the names of files.
            ("sun.nio.fs.NativeBuffers", _)
            | ("java.lang.ThreadLocal", "setInitialValue" | "initialValue")
            | ("io.netty.util.concurrent.FastThreadLocal", "initialize") => {
                return Some(Pool::ThreadLocal);
            }
            _ => {}
        }
    }
    None
}

/// The first call that is neither the JDK's nor ours.
fn owner(frames: &[Frame]) -> usize {
    const NOT_THE_PROGRAMS: [&str; 6] =
        ["java.", "javax.", "jdk.", "sun.", "com.sun.", "io.offheap."];
    let programs =
        |frame: &Frame| !NOT_THE_PROGRAMS.iter().any(|package| frame.class.starts_with(package));
    frames.iter().position(programs).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(classes: &[&str]) -> Vec<Frame> {
        let frame =
            |class: &&str| Frame { class: (*class).to_owned(), method: "m".to_owned(), line: None };
        classes.iter().map(frame).collect()
    }

    #[test]
    fn a_stack_tells_the_family_of_its_block_and_who_owns_it() {
        let unsafe_ = "jdk.internal.misc.Unsafe";
        for (classes, expected, owner_class) in [
            (
                vec![unsafe_, unsafe_, "java.nio.DirectByteBuffer", "java.nio.ByteBuffer", "app.A"],
                Family::DirectBuffer,
                "app.A",
            ),
            (
                vec![
                    unsafe_,
                    "java.nio.DirectByteBuffer",
                    "java.nio.ByteBuffer",
                    "sun.nio.ch.Util",
                    "sun.nio.ch.IOUtil",
                    "java.nio.channels.Channels",
                    "app.B",
                ],
                Family::TemporaryBuffer,
                "app.B",
            ),
            (vec![unsafe_, "sun.nio.ch.Util", "app.B"], Family::TemporaryBuffer, "app.B"),
            (
                vec![unsafe_, "jdk.internal.foreign.SegmentFactories", "app.C"],
                Family::Arena,
                "app.C",
            ),
            (
                vec![unsafe_, "sun.misc.Unsafe", "io.netty.util.internal.PlatformDependent0"],
                Family::Unsafe,
                "io.netty.util.internal.PlatformDependent0",
            ),
            (vec!["io.offheap.Unsafe", "app.D"], Family::Library, "app.D"),
            (vec![unsafe_, "sun.nio.fs.NativeBuffer"], Family::Unsafe, unsafe_),
            (vec![], Family::Unsafe, ""),
        ] {
            let frames = frames(&classes);
            assert_eq!(family(&frames), expected, "{classes:?}");
            let owner = frames.get(owner(&frames)).map_or("", |frame| frame.class.as_str());
            assert_eq!(owner, owner_class, "{classes:?}");
        }
    }
}
