//! `netroot`: the boot server and its tools in one binary.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    netroot::main()
}
