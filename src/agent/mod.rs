//! The agent: `java -agentpath:/path/liboffheap.so[=OPTIONS] ...` puts the natives of [`JDK`] under
//! a program that knows nothing of them.
//!
//! The JVM announces every native that it binds, and asks for another function in its place. We
//! give it ours, from its first native on: so every block that it ever takes through `Unsafe` is in
//! the ledger and in the budget. Nothing is exported in the JDK's name, nothing registered behind
//! its back.
//!
//! A JVM that would start without us starts with us. What goes wrong is one line on stderr, and the
//! JVM's own natives stay; only options that are not understood, and `strict`, end the process.

mod cleanups;
mod collect;
mod endpoint;
mod fault;
mod fields;
mod heap;
mod metrics;
mod options;
mod origin;
mod report;
mod serve;
mod stack;
mod tags;
mod vm;

use crate::bits;
use crate::boundary::guard;
use crate::jni::natives::{self, Group, JDK, JdkNative};
use crate::ledger;
use crate::net;
use crate::os;
use crate::report::{limit_text, set_runtime};
use core::ffi::{CStr, c_char, c_void};
use core::mem;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};
use jni::sys::{JNI_OK, jint};
use jvmti_bindings::sys::jni::{JNIEnv, jmethodID, jobject};
use jvmti_bindings::sys::jvmti::{
    JVMTI_EVENT_DATA_DUMP_REQUEST, JVMTI_EVENT_GARBAGE_COLLECTION_FINISH,
    JVMTI_EVENT_NATIVE_METHOD_BIND, JVMTI_EVENT_VM_DEATH, JVMTI_EVENT_VM_INIT, jvmtiCapabilities,
    jvmtiEnv, jvmtiEventCallbacks,
};
use once_cell::sync::OnceCell;
use options::{Allocator, Icebergs, Limit, Options};
use std::sync::{Mutex, MutexGuard, PoisonError};
use vm::Jvmti;

/// The exit code of a process whose agent was given options it does not understand, or could not do
/// what `strict` demands: `EX_USAGE` of sysexits.
const EXIT_CODE: i32 = 64;

/// JDKs from this one on have caches of linked classes, which early events make unusable.
const AOT_CACHES: u32 = 24;

/// Of so many bytes taken one is looked at, if nobody has said.
const SAMPLE: u64 = 512 << 10;

/// And then a thread is looked at no more than so often a second: a look costs 5 us where it finds the
/// JVM's records of the methods in the cache, and 40 where it does not.
const SAMPLES: u32 = 20;

/// The agent of this process.
struct Agent {
    vm: *mut jni::sys::JavaVM,
    options: Options,
    /// As they were given.
    text: String,
    /// The feature version of the JDK: 8, 11, 17, ...
    jdk: u32,
    vm_name: String,
    vm_version: String,
    /// `java.version`, once the JVM can be asked.
    java_version: OnceCell<String>,
    /// From the event that begins the JVM's live phase to the one that ends it.
    is_live: AtomicBool,
    /// The natives that were bound before the JVM could name them: method and function, as addresses.
    nameless: Mutex<Vec<(usize, usize)>>,
}

// SAFETY: the JVM's own pointer, good in every thread.
unsafe impl Send for Agent {}
// SAFETY: as above.
unsafe impl Sync for Agent {}

static AGENT: OnceCell<Agent> = OnceCell::new();

/// One line for people.
fn say(line: &str) {
    use std::io::Write;
    // In one piece, so that nothing comes in between; a closed stderr has no readers.
    let _ = std::io::stderr().write_all(format!("offheap: {line}\n").as_bytes());
}

/// Called by the JVM before it starts, once for each `-agentpath` that names this file.
#[unsafe(no_mangle)]
extern "system" fn Agent_OnLoad(
    vm: *mut jni::sys::JavaVM,
    options: *const c_char,
    _reserved: *mut c_void,
) -> jint {
    guard(
        || {
            let text = if options.is_null() {
                c""
            } else {
                // SAFETY: the JVM passes a text that ends with a NUL.
                unsafe { CStr::from_ptr(options) }
            };
            let text = text.to_str().unwrap_or_else(|_| {
                say(&format!("bad options '{}'; allowed: UTF-8", text.to_string_lossy()));
                os::exit(EXIT_CODE);
            });
            // SAFETY: the JVM passes its own.
            unsafe { load(vm, text.to_owned()) };
            JNI_OK
        },
        |_| JNI_OK, // without the agent, then: the panic has been told on stderr
    )
}

/// # Safety
/// `vm` is the JVM's own, before it starts.
unsafe fn load(vm: *mut jni::sys::JavaVM, text: String) {
    let options = Options::parse(&text, std::process::id()).unwrap_or_else(|bad| {
        say(&bad.to_string());
        os::exit(EXIT_CODE);
    });
    if let Some(agent) = AGENT.get() {
        say(&format!(
            "the agent is there already, with options '{}'; those given again, '{text}', are not used",
            agent.text
        ));
        return;
    }
    let strict = options.strict;
    // SAFETY: the caller guarantees the JVM.
    let Some(jvmti) = (unsafe { Jvmti::of(vm) }) else {
        return give_up(strict, "this JVM has no tool interface for agents");
    };
    if let Some(other) = os::library::another_with(c"Agent_OnLoad", c"offheap_version") {
        say(&format!("another copy of offheap is loaded, {other}: it has a budget of its own"));
    }
    if let Err(cause) = start(vm, jvmti, options, text) {
        give_up(strict, &cause);
    }
}

/// Without the agent's natives, unless that must not be.
fn give_up(strict: bool, cause: &str) {
    if strict {
        say(&format!("{cause}, and strict was asked for"));
        os::exit(EXIT_CODE);
    }
    say(&format!("{cause}; the JVM keeps its own natives"));
}

fn start(
    vm: *mut jni::sys::JavaVM,
    jvmti: Jvmti,
    options: Options,
    text: String,
) -> Result<(), String> {
    let told =
        |what: &'static str| move |error: vm::Error| format!("{what}: JVMTI error {error:?}");
    let property = |name| jvmti.property(name).unwrap_or_default();
    let jdk = feature_version(&property(c"java.vm.specification.version"))
        .ok_or("this JVM does not say which version it is")?;

    let potential = jvmti.potential_capabilities().map_err(told("the JVM's capabilities"))?;
    let mut capabilities = jvmtiCapabilities::default();
    capabilities.set_can_generate_native_method_bind_events(true);
    // Since 9, and without it the first natives are bound unseen; 8 shows them all. From 24 on it costs
    // a program its AOT cache, and with -XX:AOTMode=on its start: there they are bound again, later.
    let early = potential.can_generate_early_vmstart() && jdk < AOT_CACHES;
    capabilities.set_can_generate_early_vmstart(early);
    // For the sites of blocks; without it they have no lines.
    capabilities.set_can_get_line_numbers(potential.can_get_line_numbers());
    // How many collections a buffer has survived.
    let collections = potential.can_generate_garbage_collection_events();
    capabilities.set_can_generate_garbage_collection_events(collections);
    jvmti.add_capabilities(&capabilities).map_err(told("natives are bound unseen in this JVM"))?;

    let mut callbacks = jvmtiEventCallbacks::default();
    callbacks.NativeMethodBind = Some(native_method_bind);
    callbacks.VMInit = Some(vm_init);
    callbacks.VMDeath = Some(vm_death);
    callbacks.DataDumpRequest = Some(data_dump_request);
    callbacks.GarbageCollectionFinish = Some(garbage_collection_finish);
    jvmti.set_callbacks(&callbacks).map_err(told("the callbacks of events"))?;

    let limit = limit(options.limit);
    // Refused only if negative, which it is not. Without a limit there is none, also for the Java
    // library, whose own default is meant for its own buffers alone.
    let _ = bits::budget().set_max_memory(limit);
    if options.natives.memory {
        ledger::keep();
        ledger::sample_every(options.sample.unwrap_or(SAMPLE));
        if options.sample.is_none() {
            ledger::at_most(SAMPLES);
        }
        ledger::set_misuse(options.misuse);
        if let Some(share) = options.guard {
            ledger::guard_share(share);
        }
    }
    if options.allocator == Allocator::Jdk {
        ledger::take_from_runtime();
    }
    net::set_write_mode(options.socket);
    natives::set_agent(jdk);
    set_runtime(Box::new(report::ThisJvm));
    if options.verbose {
        say(&format!("limit {}, options '{text}'", limit_text(limit)));
    }
    let (vm_name, vm_version) = (property(c"java.vm.name"), property(c"java.vm.version"));
    // The first and only: `load` has looked.
    let java_version = OnceCell::new();
    let nameless = Mutex::default();
    let is_live = AtomicBool::new(false);
    let _ = AGENT.set(Agent {
        vm,
        options,
        text,
        jdk,
        vm_name,
        vm_version,
        java_version,
        is_live,
        nameless,
    });
    for event in [
        JVMTI_EVENT_NATIVE_METHOD_BIND,
        JVMTI_EVENT_VM_INIT,
        JVMTI_EVENT_VM_DEATH,
        JVMTI_EVENT_DATA_DUMP_REQUEST,
    ]
    .into_iter()
    .chain(collections.then_some(JVMTI_EVENT_GARBAGE_COLLECTION_FINISH))
    {
        jvmti.enable(event).map_err(told("an event"))?;
    }
    Ok(())
}

/// "1.8" is 8, "17" is 17.
fn feature_version(specification: &str) -> Option<u32> {
    specification.strip_prefix("1.").unwrap_or(specification).parse().ok()
}

/// In bytes.
fn limit(limit: Option<Limit>) -> i64 {
    match limit {
        None => i64::MAX,
        Some(Limit::Bytes(bytes)) => bytes,
        Some(Limit::Percent(percent)) => {
            percent_of(os::cgroup::memory_of_machine_or_container(), percent)
        }
    }
}

/// In bytes, as both are.
fn percent_of(whole: u64, percent: u8) -> i64 {
    i64::try_from(u128::from(whole) * u128::from(percent) / 100).unwrap_or(i64::MAX)
}

impl Agent {
    /// Whether the JVM can run Java.
    fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Acquire)
    }

    /// Whether ours is to answer for this native in this JVM.
    fn wants(&self, native: &JdkNative) -> bool {
        let natives = self.options.natives;
        let asked_for = match native.group {
            Group::Memory => natives.memory,
            Group::Net => natives.net,
            Group::Nio => natives.nio,
        };
        asked_for && native.jdks.contains(&self.jdk)
    }

    /// A native stays the JVM's.
    fn stays_stock(&self, class: &str, name: &str, why: &str) {
        self.goes_without(&format!("{class}.{name} {why}: it stays the JVM's own"));
    }

    /// What was asked for can't be: that is told, and `strict` ends the program.
    fn goes_without(&self, what: &str) {
        say(what);
        if self.options.strict {
            say("strict was asked for: the program ends");
            os::exit(EXIT_CODE);
        }
    }

    /// The function for a native that is being bound, if it is to be ours.
    ///
    /// # Safety
    /// The arguments are the event's.
    unsafe fn instead(
        &self,
        jvmti: Jvmti,
        env: *mut JNIEnv,
        method: jmethodID,
        original: NonNull<c_void>,
    ) -> Option<(&'static JdkNative, NonNull<c_void>)> {
        // SAFETY: the caller guarantees the method.
        let bound = unsafe { jvmti.method(method) }.ok()?;
        let named = |native: &&JdkNative| native.name.to_bytes() == bound.name.as_bytes();
        JDK.iter().find(named)?;
        // SAFETY: the caller guarantees method and environment.
        let class = unsafe { jvmti.class_of(method, env) }.ok()?;
        let class = Some(class).filter(|class| class.is_jvms_own)?.name;
        let mut of_this_name = JDK
            .iter()
            .filter(named)
            .filter(|native| native.class == class && self.wants(native))
            .peekable();
        of_this_name.peek()?;
        let same = |native: &&JdkNative| native.signature.to_bytes() == bound.signature.as_bytes();
        let Some(native) = of_this_name.find(same) else {
            let why = format!("has the signature {}, which is not known", bound.signature);
            self.stays_stock(&class, &bound.name, &why);
            return None;
        };
        let ours = native.bind(original)?;
        if self.options.verbose {
            say(&format!("bound {class}.{}{}", bound.name, bound.signature));
        }
        Some((native, ours))
    }

    fn nameless(&self) -> MutexGuard<'_, Vec<(usize, usize)>> {
        self.nameless.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds what was bound before the JVM could name it, as soon as it can: the classes of the JDK
    /// are starting themselves up then, and nothing of the program runs. Where events come early
    /// there is nothing to do.
    ///
    /// # Safety
    /// `env` is an event's.
    unsafe fn bind_nameless(&self, jvmti: Jvmti, env: *mut JNIEnv) {
        // To bind is an event too: it must find the list empty, and unlocked.
        let nameless = mem::take(&mut *self.nameless());
        for (method, original) in nameless {
            let method = ptr::with_exposed_provenance_mut(method);
            let original = NonNull::new(ptr::with_exposed_provenance_mut(original));
            let Some(original) = original else { continue };
            // SAFETY: methods of classes that the JVM itself has loaded stay; the caller guarantees
            // the environment.
            let Some((native, ours)) = (unsafe { self.instead(jvmti, env, method, original) })
            else {
                continue;
            };
            // SAFETY: as above.
            if !unsafe { natives::register_first(env.cast(), native, ours) } {
                let name = String::from_utf8_lossy(native.name.to_bytes());
                self.stays_stock(native.class, &name, "could not be bound again");
            }
        }
    }

    /// `Unsafe`'s natives are bound before anything else happens. If not, we were too late, and
    /// blocks are taken that nobody counts.
    fn check_first_natives(&self) {
        let first = |native: &&JdkNative| {
            native.group == Group::Memory && native.class.ends_with("misc.Unsafe")
        };
        for native in JDK.iter().filter(first).filter(|native| self.wants(native)) {
            if !native.is_bound() {
                let name = String::from_utf8_lossy(native.name.to_bytes());
                self.stays_stock(native.class, &name, "was not seen when the JVM bound it");
            }
        }
    }
}

/// An event's work, if there is an agent.
fn on_event(work: impl FnOnce(&'static Agent)) {
    guard(
        || {
            if let Some(agent) = AGENT.get() {
                work(agent);
            }
        },
        |_| (), // told on stderr; the JVM goes on
    );
}

unsafe extern "system" fn native_method_bind(
    jvmti: *mut jvmtiEnv,
    env: *mut JNIEnv,
    _thread: jobject,
    method: jmethodID,
    address: *mut c_void,
    new_address: *mut *mut c_void,
) {
    on_event(|agent| {
        let Some(original) = NonNull::new(address) else { return };
        // SAFETY: the JVM passes its own.
        let jvmti = unsafe { Jvmti::from_raw(jvmti) };
        if env.is_null() {
            let pair = (method.expose_provenance(), original.as_ptr().expose_provenance());
            agent.nameless().push(pair);
            return;
        }
        // SAFETY: the event's.
        unsafe { agent.bind_nameless(jvmti, env) };
        // SAFETY: they are the event's.
        if let Some((_, ours)) = unsafe { agent.instead(jvmti, env, method, original) } {
            // SAFETY: the JVM passes where it reads the answer.
            unsafe { *new_address = ours.as_ptr() };
        }
    });
}

unsafe extern "system" fn vm_init(jvmti: *mut jvmtiEnv, env: *mut JNIEnv, _thread: jobject) {
    on_event(|agent| {
        agent.check_first_natives();
        // SAFETY: the JVM passes its own.
        let jvmti = unsafe { Jvmti::from_raw(jvmti) };
        // SAFETY: the JVM's own, whose live phase begins with this event.
        ledger::set_tracer(Box::new(unsafe { stack::JavaStacks::new(jvmti, agent.vm) }));
        // SAFETY: the event's environment, at the beginning of the live phase.
        match unsafe { natives::start(env.cast()) } {
            // The event comes once.
            Some(version) => drop(agent.java_version.set(version)),
            None => say("this JVM can't be asked for collections: at the limit it only waits"),
        }
        agent.is_live.store(true, Ordering::Release);
        // After the JVM has set its own handlers.
        if agent.options.guard.is_some()
            && let Err(error) = fault::watch()
        {
            say(&format!("guard=: a fault will not be explained: {error}"));
        }
        if let Some(Icebergs::Collect(collect)) = agent.options.icebergs {
            let watch = move || on_event(|agent| collect::watch(agent, collect));
            if let Err(error) = os::thread::spawn("offheap collect", watch) {
                say(&format!("icebergs=collect: no thread to watch: {error}"));
            }
        }
        metrics::start(agent);
        serve::start(&agent.options);
    });
}

unsafe extern "system" fn vm_death(_jvmti: *mut jvmtiEnv, _env: *mut JNIEnv) {
    on_event(|agent| {
        serve::stop();
        report::at_exit(agent);
        metrics::at_exit(agent);
        agent.is_live.store(false, Ordering::Release);
    });
}

/// Called while the program is stopped.
unsafe extern "system" fn garbage_collection_finish(_jvmti: *mut jvmtiEnv) {
    ledger::note_collection();
}

unsafe extern "system" fn data_dump_request(_jvmti: *mut jvmtiEnv) {
    on_event(report::on_request);
}
