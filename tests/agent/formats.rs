//! How reports are written: JSON as its schema says, and pages as a browser shows them.

use crate::common::child;
use crate::common::jdk::{self, Jdk, on_each};
use crate::program::{java, number, read_report, report_file, run, text};
use crate::scratch;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SCHEMA: &str = include_str!("../../docs/report.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

/// What is wrong with a report, each with its place in it.
fn errors(report: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    let said = validator.iter_errors(report);
    said.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// A report of `KnownLeak` in JSON.
fn known_leak(jdk: &Jdk, options: &str, name: &str) -> Value {
    let file = report_file(&format!("schema-{name}-{}", jdk.version));
    let options = format!("report={},format=json{options}", file.display());
    let mut java = java(jdk, Some(&options));
    java.args(["-XX:MaxDirectMemorySize=512m", "KnownLeak", "1000"]);
    let run = run(&mut java);
    assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
    read_report(&file)
}

#[test]
fn a_report_in_json_is_as_its_schema_says() {
    on_each(jdk::all(), |jdk| {
        for (options, name) in [
            (",sample=0", "all"),
            ("", "sample"),
            (",limit=512m,sample=0,icebergs=report", "icebergs"),
        ] {
            let report = known_leak(jdk, options, name);
            assert_eq!(errors(&report), Vec::<String>::new(), "JDK {}, {name}", jdk.version);
            assert_ne!(report["sites"], json!([]), "JDK {}, {name}", jdk.version);
        }
    });
}

#[test]
fn a_report_that_has_a_figure_too_many_or_too_few_is_not() {
    let report = known_leak(page_jdk(), ",sample=0", "changed");
    for place in ["", "/memory", "/jdk", "/sites/0", "/families/0", "/threads/0", "/natives/0"] {
        let of = |report: &mut Value| report.pointer_mut(place).expect(place).clone();
        let members = of(&mut report.clone()).as_object().expect("an object").clone();
        for name in members.keys() {
            let mut fewer = report.clone();
            let object = fewer.pointer_mut(place).and_then(Value::as_object_mut).expect("it");
            object.remove(name);
            assert_ne!(errors(&fewer), Vec::<String>::new(), "{place} without {name}");
        }
        let mut more = report.clone();
        more.pointer_mut(place).expect(place)["another"] = json!(1);
        assert_ne!(errors(&more), Vec::<String>::new(), "{place}");
    }
}

/// Each object of a schema: its place, and itself.
fn objects<'a>(schema: &'a Value, place: &str, found: &mut Vec<(String, &'a Value)>) {
    if schema["type"] == "object" {
        found.push((place.to_owned(), schema));
    }
    let members = schema.as_object().into_iter().flatten();
    let items = schema.as_array().into_iter().flatten().enumerate();
    let items = items.map(|(index, item)| (index.to_string(), item));
    for (name, inner) in members.map(|(name, inner)| (name.clone(), inner)).chain(items) {
        objects(inner, &format!("{place}/{name}"), found);
    }
}

#[test]
fn the_schema_leaves_nothing_open() {
    let schema = schema();
    let mut found = Vec::new();
    objects(&schema, "", &mut found);
    assert!(found.len() >= 15, "{}", found.len());
    for (place, object) in found {
        assert_eq!(object["additionalProperties"], false, "{place}");
        let properties = object["properties"].as_object().expect("properties");
        let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
        let required = object["required"].as_array().expect("required").iter();
        let mut required: Vec<&str> = required.map(|name| name.as_str().expect("a name")).collect();
        names.sort_unstable();
        required.sort_unstable();
        assert_eq!(names, required, "{place}");
    }
}

/// The schema as a program reads it, the manual as a person does: they speak of the same.
#[test]
fn the_manual_names_every_figure_of_the_schema() {
    let manual = include_str!("../../docs/report.md");
    let schema = schema();
    let mut found = Vec::new();
    objects(&schema, "", &mut found);
    for (place, object) in found {
        for name in object["properties"].as_object().expect("properties").keys() {
            assert!(manual.contains(&format!("`{name}`")), "docs/report.md: no `{name}` ({place})");
        }
    }
}

/// The JDK whose pages are looked at in a browser: the page is the same for all.
fn page_jdk() -> &'static Jdk {
    let jdks = jdk::all();
    jdks.iter().find(|jdk| jdk.version == 17).unwrap_or(&jdks[0])
}

/// A page about a program that holds one block at each of so many sites.
fn page(jdk: &Jdk, sites: u32, name: &str) -> PathBuf {
    page_with(jdk, sites, name, "sample=0")
}

fn page_with(jdk: &Jdk, sites: u32, name: &str, agent: &str) -> PathBuf {
    let file = scratch().join(format!("page-{name}-{sites}-{}.html", jdk.version));
    let _ = std::fs::remove_file(&file);
    let options = format!("report={},format=html,{agent}", file.display());
    let mut java = java(jdk, Some(&options));
    java.args(["-XX:MaxDirectMemorySize=512m", "ManySites", &sites.to_string()]);
    let run = run(&mut java);
    assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
    file
}

/// What is between two marks, the first time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before}"));
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} after {before}")).0
}

#[test]
fn a_page_holds_the_report_that_it_shows() {
    on_each(jdk::all(), |jdk| {
        let page = std::fs::read_to_string(page(jdk, 10, "data")).expect("the page");
        let data = between(&page, "type=\"application/json\">", "</script>");
        let report: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(errors(&report), Vec::<String>::new(), "JDK {}", jdk.version);
        let sites = many_sites(&report);
        let expected: Vec<u64> = (0..10).rev().map(|i| 1000 + 8 * i).collect();
        assert_eq!(sites, expected, "JDK {}", jdk.version);
        // The graph has each of them.
        let takes = page.matches("<title>ManySites.take:").count();
        assert_eq!(takes, 10, "JDK {}", jdk.version);
    });
}

/// The live bytes of `ManySites`' sites, in the report's order.
fn many_sites(report: &Value) -> Vec<u64> {
    let sites = report["sites"].as_array().expect("sites").iter();
    let own =
        sites.filter(|s| s["owner"].as_str().is_some_and(|o| o.starts_with("ManySites.take")));
    own.map(|site| number(site, "/live_bytes")).collect()
}

/// The page as a browser has it when its scripts have run. `address` is what follows the file.
fn shown(page: &Path, address: &str) -> String {
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    chromium.arg(format!("--user-data-dir={}/chromium", scratch().display()));
    // Time that scripts wait for passes at once.
    chromium.args(["--virtual-time-budget=10000", "--enable-logging=stderr", "--dump-dom"]);
    chromium.arg(format!("file://{}{address}", page.display()));
    let cure = "chromium: apt-get install chromium";
    let run = child::run(&mut chromium, Duration::from_secs(120), cure);
    assert!(run.status.success(), "{chromium:?}\n{}", run.output);
    let console: Vec<&str> = run.output.lines().filter(|l| l.contains(":CONSOLE")).collect();
    assert_eq!(console, Vec::<&str>::new(), "{chromium:?}");
    let failed = run.output.contains("<p class=\"problem\">The page has failed");
    assert!(!failed, "{chromium:?}: it says that it failed");
    // Set when all is done.
    assert!(run.output.contains("data-shown="), "{chromium:?}\n{}", run.output);
    run.output
}

/// The rows of the table of sites: the exact live bytes of each.
fn rows(dom: &str) -> Vec<u64> {
    let rows = dom.split("<tr class=\"site\">").skip(1);
    let live = rows.map(|row| between(row, "<td class=\"live\"><span title=\"", " bytes\""));
    live.map(|bytes| bytes.replace(',', "").parse().expect("a number")).collect()
}

/// A browser keeps a lock on its profile: one at a time.
#[test]
fn a_browser_shows_a_page_sorts_its_table_and_searches_its_graph() {
    let ten = page(page_jdk(), 10, "browser");
    let descending: Vec<u64> = (0..10).rev().map(|i| 1000 + 8 * i).collect();

    let dom = shown(&ten, "");
    assert_eq!(rows(&dom), descending);
    assert_eq!(dom.matches(" aria-sort=").count(), 1);
    assert!(dom.contains("data-key=\"live\" aria-sort=\"descending\""));
    assert_eq!(between(&dom, "aria-live=\"polite\">", "<"), "10 sites, 10.1 KiB");
    // inferno's script has fitted the graph to the page, and has not failed on another drawing.
    assert!(between(&dom, "<svg id=\"frames\"", ">").contains("total_samples=\"10360\""));
    assert!(dom.contains("id=\"unzoom\" class=\"hide\""));

    let dom = shown(&ten, "#sort=live&order=ascending&open=0");
    assert_eq!(rows(&dom), descending.iter().rev().copied().collect::<Vec<u64>>());
    assert!(dom.contains("data-key=\"live\" aria-sort=\"ascending\""));
    // The first row is open, and its stack has the calls from inside out.
    assert_eq!(dom.matches("<button type=\"button\" aria-expanded=\"true\"").count(), 1);
    let stack = between(&dom, "<tr class=\"stack\">", "</tr>");
    let (take, main) = (stack.find("ManySites.take:"), stack.find("ManySites.main:"));
    assert!(take < main && take.is_some(), "{stack}");
    assert!(!stack.contains("ManySites.one:"), "{stack}");

    // All but that of number 0 have a bit.
    let dom = shown(&ten, "#filter=manysites.ONE%20direct");
    assert_eq!(rows(&dom), descending[..9]);
    assert_eq!(between(&dom, "aria-live=\"polite\">", "<"), "9 of 10 sites, 9.14 KiB");
    assert_eq!(rows(&shown(&ten, "#filter=absent")), Vec::<u64>::new());

    let dom = shown(&ten, "?s=ManySites.one:");
    assert_eq!(between(&dom, ">Matched: ", "<"), "90.3%");

    // Zoomed in to the first call that holds 1000 bytes: the graph's script finds it again.
    let text = std::fs::read_to_string(&ten).expect("the page");
    let call = between(&text, "(1,000 bytes,", "</g>");
    let (x, y) = (between(call, "fg:x=\"", "\""), between(call, " y=\"", "\""));
    let dom = shown(&ten, &format!("?x={x}&y={y}"));
    let graph = between(&dom, "<svg id=\"frames\"", "</svg>");
    let hidden = graph.matches("<g class=\"hide\">").count();
    assert!(hidden > 20, "{hidden} of {}", graph.matches("<g").count());

    let many = page(page_jdk(), 10_000, "browser");
    let dom = shown(&many, "");
    assert_eq!(rows(&dom), (0..200).map(|i| 1000 + 8 * (999 - i / 10)).collect::<Vec<u64>>());
    let summary = "10,000 sites, 47.6 MiB; the first 200 are shown";
    assert_eq!(between(&dom, "aria-live=\"polite\">", "<"), summary);
    assert_eq!(between(&dom, "id=\"more\">", "<"), "Show 200 more");
    let dom = shown(&many, "#sort=live&order=ascending&rows=1000");
    assert_eq!(rows(&dom), (0..1000).map(|i| 1000 + 8 * (i / 10)).collect::<Vec<u64>>());

    // Of a sample, and after a look at the heap: every block is small, and 47.6 MiB are many samples.
    let (estimate, exact) =
        (">What is marked with ~ is an estimate.<", ">Exact: the look at the heap has told it.<");
    let dom = shown(&page_with(page_jdk(), 10_000, "sample", "sample=64k"), "");
    assert!(dom.contains(estimate) && !dom.contains(exact));
    let looked = page_with(page_jdk(), 10_000, "looked", "sample=64k,icebergs=report");
    let dom = shown(&looked, "");
    assert!(dom.contains(exact) && !dom.contains(estimate));
}

/// The program of the README's picture.
#[test]
fn the_example_leaks_where_the_report_says() {
    let classes = scratch().join("leak");
    let mut javac = Command::new(jdk::compiler().home.join("bin/javac"));
    javac.args(["--release", "8", "-Xlint:all,-options", "-Werror", "-d"]).arg(&classes);
    javac.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/java/Leak.java"));
    let compiled = child::run(&mut javac, Duration::from_secs(120), "a JDK");
    assert!(compiled.status.success(), "{javac:?}\n{}", compiled.output);

    let file = report_file("leak");
    let options = format!("report={},format=json,sample=0", file.display());
    let mut java = java(page_jdk(), Some(&options));
    java.args(["-XX:MaxDirectMemorySize=512m", "-cp"]).arg(&classes);
    let run = run(java.args(["com.example.orders.Leak", "2"]));
    assert!(run.status.success(), "{run:?}");
    let report = read_report(&file);
    let sites = report["sites"].as_array().expect("sites");
    // Nothing that it took has been given back.
    let leaks = sites.iter().filter(|site| {
        number(site, "/live_blocks") > 50 && site["live_bytes"] == site["allocated_bytes"]
    });
    let owners: Vec<&str> = leaks.map(|site| text(site, "owner")).collect();
    assert!(owners.iter().any(|o| o.starts_with("com.example.orders.ReceiptCache.render:")));
}
