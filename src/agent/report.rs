//! When the agent reports: at exit if asked to by option, and on SIGQUIT or
//! `jcmd PID JVMTI.data_dump`.

use super::options::Target;
use super::{AGENT, Agent, heap, say};
use crate::jni::natives::{self, JDK};
use crate::ledger::Walk;
use crate::report::{self, About, Ask, BufferPool, Format, NativeCalls, Runtime};
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

/// At exit: only if a place for it was given.
pub(super) fn at_exit(agent: &Agent) {
    if let Some(target) = &agent.options.report {
        write(agent, target, Ask { mark: false, icebergs: agent.options.icebergs.is_some() });
    }
}

/// Somebody asks: on stderr if no other place was given. The next report tells growth from here on.
pub(super) fn on_request(agent: &Agent) {
    let target = agent.options.report.as_ref().unwrap_or(&Target::Stderr);
    write(agent, target, Ask { mark: true, icebergs: agent.options.icebergs.is_some() });
}

fn write(agent: &Agent, target: &Target, ask: Ask) {
    /// A request may come while the program ends.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

    let format = agent.options.format.unwrap_or(match target {
        Target::Stderr => Format::Text,
        Target::File(_) => Format::Json,
    });
    let report = report::report(format, ask);
    let written = match target {
        // In one piece, so that nothing comes in between.
        Target::Stderr => io::stderr().write_all(report.as_bytes()),
        Target::File(file) => report::put(file, &report),
    };
    if let (Err(error), Target::File(file)) = (written, target) {
        say(&format!("the report could not be written to {}: {error}", file.display()));
    }
}

/// The JVM as a report speaks of it.
pub(super) struct ThisJvm;

impl Runtime for ThisJvm {
    fn about(&self) -> About {
        let Some(agent) = AGENT.get() else { return About::default() };
        About {
            feature: agent.jdk,
            version: agent.java_version.get().cloned(),
            vm: agent.vm_name.clone(),
            vm_version: agent.vm_version.clone(),
            options: agent.text.clone(),
        }
    }

    fn natives(&self) -> Vec<NativeCalls> {
        let Some(agent) = AGENT.get() else { return Vec::new() };
        let wanted = JDK.iter().filter(|native| agent.wants(native));
        let calls = wanted.map(|native| {
            let (answered, passed) = native.calls();
            NativeCalls {
                class: native.class.to_owned(),
                name: String::from_utf8_lossy(native.name.to_bytes()).into_owned(),
                signature: String::from_utf8_lossy(native.signature.to_bytes()).into_owned(),
                is_bound: native.is_bound(),
                answered,
                passed,
            }
        });
        calls.collect()
    }

    fn walk(&self) -> Option<Walk> {
        let agent = AGENT.get().filter(|agent| agent.is_live())?;
        // SAFETY: the JVM's own, and live; reports are made in native code, outside of any exception.
        unsafe { heap::walk(agent.vm) }.inspect_err(|cause| say(cause)).ok()
    }

    fn direct_buffers(&self) -> Option<BufferPool> {
        let agent = AGENT.get().filter(|agent| agent.is_live())?;
        // SAFETY: the JVM's own, and its live phase has begun and not ended.
        unsafe { natives::direct_buffers(agent.vm) }
    }
}
