//! A target, by the name that `JIT_CA_FUZZ` has: fed by libFuzzer where it is built with it (`run.sh`), else with the
//! files that are named, so that what was found can be looked at.

#![cfg_attr(feature = "libfuzzer", no_main)]

use std::env;

use jit_ca_fuzz::{TARGETS, Target, target};

fn chosen() -> Result<Target, String> {
    let name = env::var("JIT_CA_FUZZ").unwrap_or_default();
    let names = TARGETS.map(|(name, _)| name).join(", ");
    target(&name).ok_or_else(|| format!("JIT_CA_FUZZ is {name:?}, and none of {names}"))
}

#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static RUN: std::sync::OnceLock<fn(&[u8])> = std::sync::OnceLock::new();
    let run = RUN.get_or_init(|| match chosen() {
        Ok((_, run)) => run,
        Err(error) => {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), error.as_bytes());
            std::process::exit(2)
        }
    });
    run(bytes);
});

#[cfg(not(feature = "libfuzzer"))]
fn main() -> Result<(), String> {
    let (_, run) = chosen()?;
    for file in env::args_os().skip(1) {
        let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        run(&bytes);
    }
    Ok(())
}
