//! Where a class came from: its class loader, and the jar or folder it was read from.
//!
//! The tool interface does not know of jars, so Java is asked: getters of the JDK's own that nobody can
//! override, and fields. No code of the program's runs.

use crate::ledger::Origin;
use jni::errors::Result;
use jni::objects::{JClass, JObject, JString};
use jni::strings::JNIStr;
use jni::sys::{JNIEnv, jobject};
use jni::{Env, EnvUnowned, jni_sig, jni_str};

/// Room for the local references below.
const REFERENCES: usize = 16;

/// The origin of the class; `None` if the JVM does not tell, or an exception is pending, which stays so.
///
/// # Safety
/// `env` is the calling thread's, and `class` a reference of it to a class.
pub(super) unsafe fn origin(env: *mut JNIEnv, class: jobject) -> Option<Origin> {
    // SAFETY: the caller guarantees the environment.
    let mut unowned = unsafe { EnvUnowned::from_raw(env) };
    let found = unowned.with_env(|env| -> Result<Option<Origin>> {
        if env.exception_check() {
            return Ok(None);
        }
        let found = env.with_local_frame(REFERENCES, |env| -> Result<Origin> {
            // SAFETY: the caller guarantees the reference, which stays his.
            let class = unsafe { JClass::from_raw(env, class) };
            let loader = loader(env, &class)?;
            let location = location(env, &class);
            clear(env);
            Ok(Origin { loader, location: location.ok().flatten() })
        });
        clear(env);
        found.map(Some)
    });
    match found.into_outcome() {
        jni::Outcome::Ok(origin) => origin,
        jni::Outcome::Err(_) | jni::Outcome::Panic(_) => None,
    }
}

fn clear(env: &Env<'_>) {
    if env.exception_check() {
        env.exception_clear();
    }
}

/// Names that a loader has in every JDK, by the class that it is of in this one.
fn known_loader(class: &str) -> Option<&'static str> {
    match class {
        "sun.misc.Launcher$AppClassLoader" | "jdk.internal.loader.ClassLoaders$AppClassLoader" => {
            Some("app")
        }
        "sun.misc.Launcher$ExtClassLoader"
        | "jdk.internal.loader.ClassLoaders$PlatformClassLoader" => Some("platform"),
        _ => None,
    }
}

fn loader(env: &mut Env<'_>, class: &JClass<'_>) -> Result<String> {
    // Not `getClassLoader`, which may ask the program's security manager.
    let loader = jni_sig!("()Ljava/lang/ClassLoader;");
    let loader = env.call_method(class, jni_str!("getClassLoader0"), loader, &[])?.l()?;
    if loader.is_null() {
        return Ok("boot".to_owned());
    }
    let loader_class = env.get_object_class(&loader)?;
    let name = text(env, &loader_class, jni_str!("getName"))?.unwrap_or_default();
    if let Some(known) = known_loader(&name) {
        return Ok(known.to_owned());
    }
    let (hash, signature) = (jni_str!("identityHashCode"), jni_sig!("(Ljava/lang/Object;)I"));
    let system = jni_str!("java/lang/System");
    let hash = env.call_static_method(system, hash, signature, &[(&loader).into()])?.i()?;
    Ok(format!("{name}@{hash:x}"))
}

/// A method without arguments that returns a text.
fn text(env: &mut Env<'_>, object: &JObject<'_>, method: &JNIStr) -> Result<Option<String>> {
    let text = env.call_method(object, method, jni_sig!("()Ljava/lang/String;"), &[])?.l()?;
    text_of(env, text)
}

/// The text of a `java.lang.String`.
fn text_of(env: &mut Env<'_>, text: JObject<'_>) -> Result<Option<String>> {
    if text.is_null() {
        return Ok(None);
    }
    // Not by a cast, which would have the program's class loaders asked for the class of texts.
    // SAFETY: a signature has said that it is a text.
    let text = unsafe { JString::from_raw(env, text.into_raw()) };
    text.try_to_string(env).map(Some)
}

fn location(env: &mut Env<'_>, class: &JClass<'_>) -> Result<Option<String>> {
    let domain = jni_sig!("()Ljava/security/ProtectionDomain;");
    // The private native asks no security manager, which would ask for the rights of who is running.
    // Newer JDKs have neither.
    let own = env.call_method(class, jni_str!("getProtectionDomain0"), domain, &[]);
    let domain = match own {
        Ok(domain) => domain,
        Err(_) => {
            clear(env);
            let domain = jni_sig!("()Ljava/security/ProtectionDomain;");
            env.call_method(class, jni_str!("getProtectionDomain"), domain, &[])?
        }
    };
    let domain = domain.l()?;
    if domain.is_null() {
        return Ok(None);
    }
    let source = jni_sig!("()Ljava/security/CodeSource;");
    let source = env.call_method(domain, jni_str!("getCodeSource"), source, &[])?.l()?;
    if source.is_null() {
        return Ok(None);
    }
    let url =
        env.call_method(source, jni_str!("getLocation"), jni_sig!("()Ljava/net/URL;"), &[])?;
    let url = url.l()?;
    if url.is_null() {
        return Ok(None);
    }
    // Not by `toString`, which a handler of the program's may answer.
    let mut part = |name: &JNIStr| {
        let text = env.get_field(&url, name, jni_sig!("Ljava/lang/String;"))?.l()?;
        text_of(env, text).map(Option::unwrap_or_default)
    };
    let [protocol, host, file] =
        [part(jni_str!("protocol"))?, part(jni_str!("host"))?, part(jni_str!("file"))?];
    Ok(Some(match (protocol.as_str(), host.as_str()) {
        ("file", "") => file,
        (_, "") => format!("{protocol}:{file}"),
        _ => format!("{protocol}://{host}{file}"),
    }))
}
