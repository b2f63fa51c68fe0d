//! `offheap install`: header, libraries and pkg-config file, where C programs look for them.

use crate::{Failure, print};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const HEADER: &str = include_str!("../include/offheap.h");

/// The libraries a program needs beside liboffheap.a. It is rustc's list for a staticlib; a test
/// compares.
const NATIVE_STATIC_LIBS: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

const LINKED_NAME: &str = "liboffheap.so";
const SONAME: &str = concat!("liboffheap.so.", env!("CARGO_PKG_VERSION_MAJOR"));
const FILE_NAME: &str = concat!("liboffheap.so.", env!("CARGO_PKG_VERSION"));

/// Where to, as the command line says.
struct Target {
    prefix: PathBuf,
    destdir: Option<PathBuf>,
}

pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let target = Target::parse(arguments)?;
    let libraries = find_libraries()?;
    let root = target.root();
    let lib = root.join("lib");

    replace(&root.join("include/offheap.h"), |new| fs::write(new, HEADER))?;
    for (from, to) in [("liboffheap.a", "liboffheap.a"), (LINKED_NAME, FILE_NAME)] {
        replace(&lib.join(to), |new| fs::copy(libraries.join(from), new).map(drop))?;
    }
    replace(&lib.join(SONAME), |new| symlink(FILE_NAME, new))?;
    replace(&lib.join(LINKED_NAME), |new| symlink(SONAME, new))?;
    let pc = pkg_config(&target.prefix)?;
    replace(&lib.join("pkgconfig/offheap.pc"), |new| fs::write(new, &pc))?;

    if cfg!(debug_assertions) {
        eprintln!(
            "offheap: this was a debug build; cargo run --release -- install gives a fast one"
        );
    }
    print(&format!("installed below {}\n", root.display()))
}

impl Target {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let (mut prefix, mut destdir) = (None, None);
        while let Some(option) = arguments.next() {
            let place = match option.to_str() {
                Some("--prefix") => &mut prefix,
                Some("--destdir") => &mut destdir,
                _ => {
                    let option = option.display();
                    return Err(Failure::Usage(format!("install: no such option: {option}")));
                }
            };
            let value = arguments.next().filter(|value| !value.is_empty()).ok_or_else(|| {
                Failure::Usage(format!("install: {} needs a folder after it", option.display()))
            })?;
            *place = Some(absolute(Path::new(&value))?);
        }
        let prefix = prefix.ok_or_else(|| {
            Failure::Usage("install: --prefix is missing, for example --prefix /usr/local".into())
        })?;
        Ok(Self { prefix, destdir })
    }

    /// The folder the files are put in now.
    fn root(&self) -> PathBuf {
        match &self.destdir {
            None => self.prefix.clone(),
            Some(destdir) => destdir.join(self.prefix.strip_prefix("/").unwrap_or(&self.prefix)),
        }
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| cannot("find", path, &error))
}

/// The folder of the libraries Cargo built together with this command. `deps` comes first: what
/// lies beside the command is from the last `cargo build`, and may be older.
pub(crate) fn find_libraries() -> Result<PathBuf, Failure> {
    let command = std::env::current_exe().map_err(|error| Failure::Work(error.to_string()))?;
    let beside = command.parent().unwrap_or(Path::new("/"));
    [beside.join("deps"), beside.to_owned()]
        .into_iter()
        .find(|folder| ["liboffheap.a", LINKED_NAME].iter().all(|name| folder.join(name).is_file()))
        .ok_or_else(|| {
            Failure::Work(format!(
                "no liboffheap.so and liboffheap.a beside {} nor in its deps folder; \
                 run it from the source tree: cargo run --release -- ...",
                command.display()
            ))
        })
}

/// Makes the file anew under another name, then gives it its own: a program that has the old one
/// mapped or open keeps it whole.
fn replace(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    // What an interrupted run has left; that there is none is the usual case.
    let _ = fs::remove_file(&new);
    make(&new).and_then(|()| fs::rename(&new, path)).map_err(|error| {
        let _ = fs::remove_file(&new);
        cannot("write", path, &error)
    })
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Failure {
    let cure = if error.kind() == io::ErrorKind::PermissionDenied {
        "; choose another --prefix, or run as a user who may"
    } else {
        ""
    };
    Failure::Work(format!("cannot {verb} {}: {error}{cure}", path.display()))
}

/// The text of offheap.pc. Blanks in the prefix are kept by the quotes.
fn pkg_config(prefix: &Path) -> Result<String, Failure> {
    let special = ['"', '\\', '$', '#', '\n'];
    let prefix = prefix.to_str().filter(|text| !text.contains(special)).ok_or_else(|| {
        Failure::Usage(format!(
            "install: pkg-config can't name {}; choose a --prefix of plain characters",
            prefix.display()
        ))
    })?;
    Ok(format!(
        "prefix={prefix}\n\
         includedir=${{prefix}}/include\n\
         libdir=${{prefix}}/lib\n\
         \n\
         Name: offheap\n\
         Description: {description}\n\
         Version: {version}\n\
         Cflags: -I\"${{includedir}}\"\n\
         Libs: -L\"${{libdir}}\" -loffheap\n\
         Libs.private: {NATIVE_STATIC_LIBS}\n",
        description = env!("CARGO_PKG_DESCRIPTION"),
        version = env!("CARGO_PKG_VERSION"),
    ))
}
