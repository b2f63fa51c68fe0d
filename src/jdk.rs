//! Finds a JDK on this machine: one with a compiler that can build the Java library.

use std::path::{Path, PathBuf};

/// An installed JDK.
pub(crate) struct Jdk {
    /// Its `JAVA_HOME`.
    pub(crate) home: PathBuf,
    /// Its feature version: 8, 11, 17, ...
    pub(crate) version: u32,
}

impl Jdk {
    /// The path of one of its programs.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.home.join("bin").join(name)
    }

    /// The JDK at `home`, if there is one and it can compile for another version (`--release`, which
    /// 8 has not got; 9 and 10 are no JDKs to build with).
    fn at(home: &Path) -> Option<Self> {
        let release = std::fs::read_to_string(home.join("release")).ok()?;
        let version = feature_version(&release)?;
        let jdk = Self { home: home.to_owned(), version };
        (version >= 11 && jdk.tool("javac").is_file()).then_some(jdk)
    }
}

/// The feature version that a JDK's `release` file names: `JAVA_VERSION="17.0.15"` is 17,
/// `"1.8.0_504"` is 8.
fn feature_version(release: &str) -> Option<u32> {
    let line = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    let mut numbers = line.trim_matches('"').split(['.', '_', '-', '+']).map(str::parse::<u32>);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        version => Some(version),
    }
}

/// The JDK to use: `JAVA_HOME`, else the one whose `javac` is on `PATH`, else those of
/// `OFFHEAP_JDKS`, else one under `/usr/lib/jvm`.
pub(crate) fn find() -> Result<Jdk, String> {
    candidates().iter().find_map(|home| Jdk::at(home)).ok_or_else(|| {
        "no JDK from 11 on with a compiler found in JAVA_HOME, on PATH, in OFFHEAP_JDKS or under /usr/lib/jvm; \
         install one (Debian: apt install openjdk-17-jdk-headless) or set JAVA_HOME"
            .to_owned()
    })
}

fn candidates() -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> =
        std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        if let Ok(javac) = folder.join("javac").canonicalize() {
            homes.extend(javac.ancestors().nth(2).map(Path::to_owned));
        }
    }
    homes.extend(std::env::split_paths(&std::env::var_os("OFFHEAP_JDKS").unwrap_or_default()));
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/jvm")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    installed.sort();
    homes.extend(installed);
    homes
}

#[cfg(test)]
mod tests {
    use super::feature_version;

    #[test]
    fn the_release_file_names_the_feature_version() {
        assert_eq!(feature_version("IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"17.0.15\"\n"), Some(17));
        assert_eq!(feature_version("JAVA_VERSION=\"1.8.0_504\""), Some(8));
        assert_eq!(feature_version("JAVA_VERSION=\"25\""), Some(25));
        assert_eq!(feature_version("JAVA_VERSION=\"26-ea\""), Some(26));
        assert_eq!(feature_version("JAVA_VERSION=\"\""), None);
        assert_eq!(feature_version("OS_NAME=\"Linux\""), None);
    }
}
