//! The system calls of programs are those of a stock JVM.

use crate::common::jdk::{self, Jdk, on_each};
use crate::common::trace;
use crate::program::{LIMIT, java};
use crate::same::plain;
use std::process::Command;

/// The reads and writes of a program's thread `calls`, and what ends a descriptor's life.
fn system_calls(mut java: Command, program: &[&str]) -> Vec<String> {
    let names = "read,write,readv,writev,pread64,pwrite64,sendto,recvfrom,sendmsg,recvmsg,poll,\
                 close,dup2,dup3,shutdown";
    trace::calls(java.args(program), names, LIMIT)
}

fn assert_same_calls(jdk: &Jdk, flag: Option<&'static str>, program: &[&str]) {
    let calls = |agent_options| {
        let mut java = java(jdk, agent_options);
        java.args(flag);
        let mut calls = system_calls(java, program);
        if jdk.version >= 13 && flag.is_none() {
            // There what is left of a time out is counted from before the first attempt.
            calls.iter_mut().for_each(|call| *call = without_time_out(call));
        }
        calls
    };
    let (stock, ours) = (calls(None), calls(Some("")));
    assert!(stock.len() > 20, "{stock:#?}");
    let parted = stock.iter().zip(&ours).position(|(stock, ours)| stock != ours);
    let at = parted.unwrap_or(stock.len().min(ours.len()));
    assert!(
        stock == ours,
        "JDK {}, {program:?}: {} calls on a stock JVM, {} with the agent; call {at}:\n  stock: \
         {:?}\n  ours:  {:?}",
        jdk.version,
        stock.len(),
        ours.len(),
        stock.get(at),
        ours.get(at)
    );
}

/// `poll([...], 1, 99) = 1` without the 99.
fn without_time_out(call: &str) -> String {
    match (call.starts_with("poll("), call.rsplit_once(") = ")) {
        (true, Some((start, end))) => match start.rsplit_once(", ") {
            Some((start, time_out)) if !time_out.starts_with('-') => {
                format!("{start}, SOME) = {end}")
            }
            _ => call.to_owned(),
        },
        _ => call.to_owned(),
    }
}

#[test]
fn the_system_calls_of_streams_are_those_of_a_stock_jvm() {
    on_each(jdk::all(), |jdk| {
        assert_same_calls(jdk, None, &["StreamCalls", "stock"]);
        if let Some(plain) = plain(jdk) {
            assert_same_calls(jdk, Some(plain), &["StreamCalls", "stock"]);
        }
    });
}

#[test]
fn the_system_calls_of_channels_are_those_of_a_stock_jvm() {
    on_each(jdk::all(), |jdk| assert_same_calls(jdk, None, &["same.ChannelCalls"]));
}

#[test]
fn only_the_time_out_of_a_poll_is_left_out() {
    assert_eq!(without_time_out("poll([{fd=FD}], 1, 99) = 1"), "poll([{fd=FD}], 1, SOME) = 1");
    assert_eq!(without_time_out("poll([{fd=FD}], 1, -1) = 1"), "poll([{fd=FD}], 1, -1) = 1");
}
