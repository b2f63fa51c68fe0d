//! The JVM around us: its version, the ids it lends, its limit for direct memory, and how it is
//! asked to give memory back.

use super::env::RawEnv;
use super::exception::Exception;
use crate::bits::{self, Reclaimer, Slot};
use jni::errors::{Error, Result};
use jni::ids::{JFieldID, JStaticMethodID};
use jni::objects::{JClass, JClassLoader, JObject, JString};
use jni::refs::{Global, Weak};
use jni::signature::{Primitive, ReturnType};
use jni::strings::JNIStr;
use jni::sys::jvalue;
use jni::vm::{AttachConfig, AttachmentExceptionPolicy};
use jni::{Env, JavaVM, Outcome, jni_sig, jni_str};
use once_cell::sync::OnceCell;
use std::sync::Arc;

/// The JDKs between which behaviour differs; each stands for itself and those up to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Jdk {
    Eight,
    Eleven,
    Seventeen,
}

impl Jdk {
    /// Of a feature version: 8, 11, 17, ...
    pub(super) fn of(feature: u32) -> Self {
        match feature {
            17.. => Self::Seventeen,
            9.. => Self::Eleven,
            _ => Self::Eight,
        }
    }
}

static JDK: OnceCell<Jdk> = OnceCell::new();

/// The JDK that runs; before anyone has asked the JVM, the newest rules.
pub(super) fn jdk() -> Jdk {
    JDK.get().copied().unwrap_or(Jdk::Seventeen)
}

/// Tells the natives which JDK runs, before they can ask it themselves.
pub(super) fn set_jdk(jdk: Jdk) {
    // What is set already came from the JVM too.
    let _ = JDK.set(jdk);
}

// The JDK's own classes are never unloaded, so their ids stay.
static FILE_DESCRIPTOR_FD: OnceCell<JFieldID> = OnceCell::new();
static SOCKET_IMPL_FD: OnceCell<JFieldID> = OnceCell::new();

/// The id of `java.io.FileDescriptor.fd`, an `int`.
///
/// # Errors
/// Pending: the JVM has no such field, or no memory.
#[inline]
pub(super) fn file_descriptor_fd(env: &RawEnv<'_>) -> core::result::Result<JFieldID, Exception> {
    field(env, &FILE_DESCRIPTOR_FD, |env| {
        env.get_field_id(jni_str!("java/io/FileDescriptor"), jni_str!("fd"), jni_sig!("I"))
    })
}

/// The id of `java.net.SocketImpl.fd`, a `java.io.FileDescriptor`.
///
/// # Errors
/// Pending: the JVM has no such field, or no memory.
pub(super) fn socket_impl_fd(env: &RawEnv<'_>) -> core::result::Result<JFieldID, Exception> {
    field(env, &SOCKET_IMPL_FD, |env| {
        let signature = jni_sig!("Ljava/io/FileDescriptor;");
        env.get_field_id(jni_str!("java/net/SocketImpl"), jni_str!("fd"), signature)
    })
}

#[inline]
fn field(
    env: &RawEnv<'_>,
    cell: &OnceCell<JFieldID>,
    look_up: impl FnOnce(&mut Env<'_>) -> Result<JFieldID>,
) -> core::result::Result<JFieldID, Exception> {
    match cell.get() {
        Some(field) => Ok(*field),
        None => first_field(env, cell, look_up),
    }
}

/// [`field`] when nobody has asked for it before.
#[cold]
#[inline(never)]
fn first_field(
    env: &RawEnv<'_>,
    cell: &OnceCell<JFieldID>,
    look_up: impl FnOnce(&mut Env<'_>) -> Result<JFieldID>,
) -> core::result::Result<JFieldID, Exception> {
    let found = env.unowned().with_env(|env| cell.get_or_try_init(|| look_up(env)).copied());
    match found.into_outcome() {
        Outcome::Ok(field) => Ok(field),
        Outcome::Err(_) | Outcome::Panic(_) => Err(Exception::Pending),
    }
}

/// Asks the JVM for `java.specification.version`: "1.8", "11", "17", ... The version of JNI does
/// not tell 11 from 17.
fn running_jdk(env: &mut Env<'_>) -> Result<Jdk> {
    // "1.8" is no number of this kind.
    Ok(Jdk::of(property(env, "java.specification.version")?.parse().unwrap_or(8)))
}

/// `System.getProperty` of a property that is always set.
pub(super) fn property(env: &mut Env<'_>, name: &str) -> Result<String> {
    let name = env.new_string(name)?;
    let value = env
        .call_static_method(
            jni_str!("java/lang/System"),
            jni_str!("getProperty"),
            jni_sig!("(Ljava/lang/String;)Ljava/lang/String;"),
            &[(&name).into()],
        )?
        .l()?;
    env.cast_local::<JString>(value)?.try_to_string(env)
}

/// Learns what the natives need, takes over the JVM's limit for direct memory
/// (`-XX:MaxDirectMemorySize`, else the maximum heap) unless one was set before, and tells the
/// budget how this JVM reclaims.
pub(super) fn start(env: &mut Env<'_>, library: Option<&Library<'_>>) -> Result<()> {
    let jdk = *JDK.get_or_try_init(|| running_jdk(env))?;
    // Refused only if negative, which the JVM's own limit never is. The agent has set one before.
    let _ = bits::budget().set_default_max_memory(max_direct_memory(env, jdk)?);
    let reclaimer = Arc::new(Collector::new(env, library)?);
    bits::set_reclaimer(Slot::Runtime, Some(reclaimer));
    Ok(())
}

fn max_direct_memory(env: &mut Env<'_>, jdk: Jdk) -> Result<i64> {
    let vm: &JNIStr = match jdk {
        Jdk::Eight => jni_str!("sun/misc/VM"),
        Jdk::Eleven | Jdk::Seventeen => jni_str!("jdk/internal/misc/VM"),
    };
    env.call_static_method(vm, jni_str!("maxDirectMemory"), jni_sig!("()J"), &[])?.j()
}

/// The Java library, as the class loader sees it that loads this one.
pub(super) struct Library<'local> {
    /// Runs pending deallocations.
    cleaner_queue: JClass<'local>,
    loader: JClassLoader<'local>,
}

impl<'local> Library<'local> {
    /// `None` if it is not there.
    pub(super) fn find(env: &mut Env<'local>) -> Result<Option<Self>> {
        // FindClass initialises. This class needs no other of the Java library for that, least of
        // all `NativeLibrary`, which would load a second copy of this one.
        let cleaner_queue = match env.find_class(jni_str!("io/offheap/CleanerQueue")) {
            Err(Error::NoClassDefFound { .. }) => return Ok(None),
            found => found?,
        };
        let loader = cleaner_queue.get_class_loader(env)?;
        Ok(Some(Self { cleaner_queue, loader }))
    }

    /// The one that `class` is part of.
    pub(super) fn of(env: &mut Env<'local>, class: &JClass<'_>) -> Result<Self> {
        let loader = class.get_class_loader(env)?;
        let name = env.new_string("io.offheap.CleanerQueue")?;
        // Initialised, as by FindClass: it needs no other class of the library for that.
        let cleaner_queue = JClass::for_name_with_loader(env, name, true, &loader)?;
        Ok(Self { cleaner_queue, loader })
    }

    /// The class of that name (`io.offheap.Bits`), not initialised: its initialiser may be under
    /// way on a thread that waits for this one to have loaded the library.
    pub(super) fn class<'frame>(
        &self,
        env: &mut Env<'frame>,
        name: &str,
    ) -> Result<JClass<'frame>> {
        let name = env.new_string(name)?;
        JClass::for_name_with_loader(env, name, false, &self.loader)
    }

    /// Whether its natives are those of another copy of this library.
    pub(super) fn is_bound(&self, env: &mut Env<'_>) -> Result<bool> {
        let class = self.class(env, "io.offheap.OffHeap")?;
        let version = (jni_str!("version0"), jni_sig!("()Ljava/lang/String;"));
        match env.call_static_method(class, version.0, version.1, &[]) {
            Err(Error::JavaException) => {
                env.exception_clear(); // UnsatisfiedLinkError
                Ok(false)
            }
            answer => answer.map(|_| true),
        }
    }
}

/// What a call into Java may need at a time; it is no limit.
pub(super) const LOCAL_REFERENCES: usize = 16;

/// Reclaims as the JDK does: helps the cleaner, then asks for a collection.
struct Collector {
    vm: JavaVM,
    system: Global<JClass<'static>>,
    gc: JStaticMethodID,
    /// If the Java library is there.
    helper: Option<Helper>,
    /// If this JDK has what we know.
    references: Option<PendingReferences>,
    /// If this JDK has virtual threads, and what we know of them.
    carriers: Option<Carriers>,
}

/// A virtual thread in native code keeps its carrier, and with it a processor from the others: perhaps
/// from the one that would release what it waits for. `jdk.internal.misc.Blocker` has another carrier
/// started meanwhile, as it does for the JDK's own calls that block. Other threads have no carrier, and are
/// spared both calls: a call into Java is the slowest step of a thread that has just been woken.
struct Carriers {
    current: CurrentThread,
    virtual_thread: Global<JClass<'static>>,
    blocker: Global<JClass<'static>>,
    begin: JStaticMethodID,
    end: JStaticMethodID,
    /// What `begin` returns and `end` takes: a `long`, later a `boolean`.
    token: Primitive,
}

impl Carriers {
    /// `None` in a JDK that has no such thing, or not where we know it.
    fn find(env: &mut Env<'_>, jdk: Jdk) -> Option<Self> {
        if jdk == Jdk::Eight {
            // It would be looked for in every file of the class path, before there is a compiler.
            return None;
        }
        let found = env.find_class(jni_str!("jdk/internal/misc/Blocker")).and_then(|blocker| {
            let later = Self::look_up(env, &blocker, Primitive::Boolean);
            later.or_else(|_| {
                env.exception_clear();
                Self::look_up(env, &blocker, Primitive::Long)
            })
        });
        if found.is_err() && env.exception_check() {
            env.exception_clear();
        }
        found.ok()
    }

    fn look_up(env: &mut Env<'_>, blocker: &JClass<'_>, token: Primitive) -> Result<Self> {
        let (begin, end) = match token {
            Primitive::Boolean => (jni_sig!("()Z"), jni_sig!("(Z)V")),
            _ => (jni_sig!("()J"), jni_sig!("(J)V")),
        };
        let begin = env.get_static_method_id(blocker, jni_str!("begin"), begin)?;
        let end = env.get_static_method_id(blocker, jni_str!("end"), end)?;
        // Not `VirtualThread`, whose initialiser makes the scheduler.
        let virtual_thread = env.find_class(jni_str!("java/lang/BaseVirtualThread"))?;
        Ok(Self {
            current: CurrentThread::find(env)?,
            virtual_thread: env.new_global_ref(virtual_thread)?,
            blocker: env.new_global_ref(blocker)?,
            begin,
            end,
            token,
        })
    }

    /// `None` on a thread that is not virtual.
    fn begin(&self, env: &mut Env<'_>) -> Result<Option<jvalue>> {
        let thread = self.current.get(env)?;
        if !env.is_instance_of(&thread, &self.virtual_thread)? {
            return Ok(None);
        }
        let returns = ReturnType::Primitive(self.token);
        // SAFETY: `look_up` chose class, method and what it returns together; it takes nothing.
        let token =
            unsafe { env.call_static_method_unchecked(&self.blocker, self.begin, returns, &[]) }?;
        Ok(Some(match self.token {
            Primitive::Boolean => jvalue { z: token.z()? },
            _ => jvalue { j: token.j()? },
        }))
    }

    fn end(&self, env: &mut Env<'_>, token: jvalue) -> Result<()> {
        let (returns, token) = (ReturnType::Primitive(Primitive::Void), [token]);
        // SAFETY: as above; the argument is what `begin` has returned.
        unsafe { env.call_static_method_unchecked(&self.blocker, self.end, returns, &token) }?.v()
    }
}

/// `Thread.currentThread`.
struct CurrentThread {
    class: Global<JClass<'static>>,
    method: JStaticMethodID,
}

impl CurrentThread {
    fn find(env: &mut Env<'_>) -> Result<Self> {
        let class = env.find_class(jni_str!("java/lang/Thread"))?;
        let method = (jni_str!("currentThread"), jni_sig!("()Ljava/lang/Thread;"));
        let method = env.get_static_method_id(&class, method.0, method.1)?;
        Ok(Self { class: env.new_global_ref(class)?, method })
    }

    fn get<'local>(&self, env: &mut Env<'local>) -> Result<JObject<'local>> {
        // SAFETY: the method is static, of this class, takes nothing and returns a thread.
        unsafe {
            env.call_static_method_unchecked(&self.class, self.method, ReturnType::Object, &[])
        }?
        .l()
    }
}

/// What `Bits.reserveMemory` asks of `java.lang.ref.Reference`: whether references that a collection
/// has cleared are still on their way to their queues and cleaners. Since 9 the answer is waited for
/// while the JDK's own thread works at them (`waitForReferenceProcessing`); in 8 the caller does the
/// work (`tryHandlePending`).
struct PendingReferences {
    reference: Global<JClass<'static>>,
    /// The class of the thread that does that work: it would wait for itself.
    handler: Global<JClass<'static>>,
    current: CurrentThread,
    method: JStaticMethodID,
    /// 8's takes a boolean: whether to wait until there is something to do.
    takes_wait: bool,
}

impl PendingReferences {
    /// `None` in a JDK that has no such thing, or not where we know it.
    fn find(env: &mut Env<'_>, jdk: Jdk) -> Option<Self> {
        let found = Self::look_up(env, jdk);
        if found.is_err() && env.exception_check() {
            env.exception_clear();
        }
        found.ok()
    }

    fn look_up(env: &mut Env<'_>, jdk: Jdk) -> Result<Self> {
        let reference = env.find_class(jni_str!("java/lang/ref/Reference"))?;
        let handler = env.find_class(jni_str!("java/lang/ref/Reference$ReferenceHandler"))?;
        let (name, signature) = match jdk {
            Jdk::Eight => (jni_str!("tryHandlePending"), jni_sig!("(Z)Z")),
            Jdk::Eleven | Jdk::Seventeen => {
                (jni_str!("waitForReferenceProcessing"), jni_sig!("()Z"))
            }
        };
        let method = env.get_static_method_id(&reference, name, signature)?;
        Ok(Self {
            reference: env.new_global_ref(reference)?,
            handler: env.new_global_ref(handler)?,
            current: CurrentThread::find(env)?,
            method,
            takes_wait: jdk == Jdk::Eight,
        })
    }

    /// True if there were some.
    fn help(&self, env: &mut Env<'_>) -> Result<bool> {
        let thread = self.current.get(env)?;
        if env.is_instance_of(&thread, &self.handler)? {
            return Ok(false);
        }
        let returns = ReturnType::Primitive(Primitive::Boolean);
        let wait = [jvalue { z: false }];
        let arguments = if self.takes_wait { wait.as_slice() } else { &[] };
        // SAFETY: `look_up` chose class, method and what it takes together.
        let helped = unsafe {
            env.call_static_method_unchecked(&self.reference, self.method, returns, arguments)
        };
        if env.exception_check() {
            // InterruptedException, and the flag is down: the wait for memory goes on, and who made
            // the call finds it up afterwards.
            env.exception_clear();
            env.call_method(&thread, jni_str!("interrupt"), jni_sig!("()V"), &[])?;
            return Ok(false);
        }
        helped?.z()
    }
}

/// `io.offheap.CleanerQueue`.
struct Helper {
    /// Weak, so that the library does not keep the class loader that loaded it.
    class: Weak<JClass<'static>>,
    help: JStaticMethodID,
}

impl Helper {
    fn new(env: &mut Env<'_>, library: &Library<'_>) -> Result<Self> {
        let class = &library.cleaner_queue;
        let help = env.get_static_method_id(class, jni_str!("help"), jni_sig!("()Z"))?;
        Ok(Self { class: env.new_weak_ref(class)?, help })
    }
}

impl Collector {
    fn new(env: &mut Env<'_>, library: Option<&Library<'_>>) -> Result<Self> {
        let system = env.find_class(jni_str!("java/lang/System"))?;
        let gc = env.get_static_method_id(&system, jni_str!("gc"), jni_sig!("()V"))?;
        let helper = library.map(|library| Helper::new(env, library)).transpose()?;
        let references = PendingReferences::find(env, jdk());
        let carriers = Carriers::find(env, jdk());
        let system = env.new_global_ref(system)?;
        Ok(Self { vm: env.get_java_vm()?, system, gc, helper, references, carriers })
    }

    /// Runs `work` on this thread, attached for that long if it was not. Whatever Java threw is
    /// put aside: a failed attempt to reclaim is no error of the one who waits for memory.
    fn attached<R: Default>(&self, work: impl FnOnce(&mut Env<'_>) -> Result<R>) -> R {
        // With an exception of the caller's own pending no Java may run: that is an error, and its
        // exception stays.
        let config = || {
            let policy = AttachmentExceptionPolicy::PreCheckPostCatch;
            AttachConfig::new().scoped(true).exceptions_policy(policy)
        };
        let capacity = Some(LOCAL_REFERENCES);
        let reclaimed = self.vm.attach_current_thread_with_config(config, capacity, |env| {
            let result = work(env);
            if env.exception_check() {
                env.exception_clear();
            }
            result
        });
        reclaimed.unwrap_or_default()
    }
}

impl Reclaimer for Collector {
    fn help(&self) -> bool {
        let ours = self.helper.as_ref().is_some_and(|helper| {
            self.attached(|env| {
                let Some(queue) = helper.class.upgrade_local(env)? else { return Ok(false) };
                let returns = ReturnType::Primitive(Primitive::Boolean);
                // SAFETY: the method is static, of this class, takes nothing and returns a boolean.
                unsafe { env.call_static_method_unchecked(&queue, helper.help, returns, &[]) }?.z()
            })
        });
        let jdks = || {
            self.references
                .as_ref()
                .is_some_and(|references| self.attached(|env| references.help(env)))
        };
        ours || jdks()
    }

    fn while_waiting(&self, wait: &mut dyn FnMut()) {
        let begin = |carriers: &Carriers| self.attached(|env| carriers.begin(env));
        let blocking =
            self.carriers.as_ref().and_then(|carriers| Some((carriers, begin(carriers)?)));
        wait();
        if let Some((carriers, token)) = blocking {
            self.attached(|env| carriers.end(env, token));
        }
    }

    fn collect(&self, _shortfall: i64) {
        self.attached(|env| {
            let returns = ReturnType::Primitive(Primitive::Void);
            // SAFETY: the method is static, of this class, takes and returns nothing.
            unsafe { env.call_static_method_unchecked(&self.system, self.gc, returns, &[]) }?.v()
        });
    }
}
