//! The JVM around us: its version, the ids it lends, its limit for direct memory, and how it is
//! asked to give memory back.

use super::env::RawEnv;
use super::exception::Exception;
use crate::bits::{self, Reclaimer, Slot};
use jni::errors::{Error, Result};
use jni::ids::{JFieldID, JStaticMethodID};
use jni::objects::{JClass, JClassLoader, JString};
use jni::refs::{Global, Weak};
use jni::signature::{Primitive, ReturnType};
use jni::strings::JNIStr;
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

/// What every native may need. Looked up once, all or nothing.
struct Runtime {
    jdk: Jdk,
    /// `java.io.FileDescriptor.fd`. The JDK's own classes are never unloaded, so the id stays.
    file_descriptor_fd: JFieldID,
}

static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// The JDK that runs; before anyone has asked the JVM, the newest rules.
pub(super) fn jdk() -> Jdk {
    RUNTIME.get().map_or(Jdk::Seventeen, |runtime| runtime.jdk)
}

/// The id of `java.io.FileDescriptor.fd`, an `int`.
///
/// # Errors
/// Pending: the JVM has no such field, or no memory.
pub(super) fn file_descriptor_fd(env: &RawEnv<'_>) -> core::result::Result<JFieldID, Exception> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.file_descriptor_fd);
    }
    match env
        .unowned()
        .with_env(|env| Ok::<_, jni::errors::Error>(look_up(env)?.file_descriptor_fd))
        .into_outcome()
    {
        Outcome::Ok(field) => Ok(field),
        Outcome::Err(_) | Outcome::Panic(_) => Err(Exception::Pending),
    }
}

fn look_up(env: &mut Env<'_>) -> Result<&'static Runtime> {
    RUNTIME.get_or_try_init(|| {
        let jdk = running_jdk(env)?;
        let class = jni_str!("java/io/FileDescriptor");
        let file_descriptor_fd = env.get_field_id(class, jni_str!("fd"), jni_sig!("I"))?;
        Ok(Runtime { jdk, file_descriptor_fd })
    })
}

/// Asks the JVM for `java.specification.version`: "1.8", "11", "17", ... The version of JNI does
/// not tell 11 from 17.
fn running_jdk(env: &mut Env<'_>) -> Result<Jdk> {
    let key = env.new_string("java.specification.version")?;
    let value = env
        .call_static_method(
            jni_str!("java/lang/System"),
            jni_str!("getProperty"),
            jni_sig!("(Ljava/lang/String;)Ljava/lang/String;"),
            &[(&key).into()],
        )?
        .l()?;
    let value = env.cast_local::<JString>(value)?.try_to_string(env)?;
    let jdk = match value.parse::<u32>() {
        Ok(17..) => Jdk::Seventeen,
        Ok(9..) => Jdk::Eleven,
        Ok(_) | Err(_) => Jdk::Eight,
    };
    Ok(jdk)
}

/// Learns what the natives need, takes over the JVM's limit for direct memory
/// (`-XX:MaxDirectMemorySize`, else the maximum heap) unless one was set before, and tells the
/// budget how this JVM reclaims.
pub(super) fn start(env: &mut Env<'_>, library: Option<&Library<'_>>) -> Result<()> {
    let jdk = look_up(env)?.jdk;
    // Refused only if negative, which the JVM's own limit never is.
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

/// Reclaims as the JDK does: helps the cleaner, then asks for a collection.
struct Collector {
    vm: JavaVM,
    system: Global<JClass<'static>>,
    gc: JStaticMethodID,
    /// If the Java library is there.
    helper: Option<Helper>,
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
        Ok(Self { vm: env.get_java_vm()?, system: env.new_global_ref(system)?, gc, helper })
    }

    /// Runs `work` on this thread, attached for that long if it was not. Whatever Java threw is
    /// put aside: a failed attempt to reclaim is no error of the one who waits for memory.
    fn attached<R: Default>(&self, work: impl FnOnce(&mut Env<'_>) -> Result<R>) -> R {
        let reclaimed = self.vm.attach_current_thread_for_scope(|env| {
            if env.exception_check() {
                return Ok(R::default()); // the caller's own; no Java may run now
            }
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
        let Some(helper) = &self.helper else { return false };
        self.attached(|env| {
            let Some(queue) = helper.class.upgrade_local(env)? else { return Ok(false) };
            let returns = ReturnType::Primitive(Primitive::Boolean);
            // SAFETY: the method is static, of this class, takes nothing and returns a boolean.
            unsafe { env.call_static_method_unchecked(&queue, helper.help, returns, &[]) }?.z()
        })
    }

    fn collect(&self, _shortfall: i64) {
        self.attached(|env| {
            let returns = ReturnType::Primitive(Primitive::Void);
            // SAFETY: the method is static, of this class, takes and returns nothing.
            unsafe { env.call_static_method_unchecked(&self.system, self.gc, returns, &[]) }?.v()
        });
    }
}
