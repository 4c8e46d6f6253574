//! The two programs under test: those that cargo built for this test, or the ones that `tests/run` names when the tests
//! are compiled.
//!
//! `tests/run` names those of the release profile: their panic strategy, optimisation and stripped symbols are what users
//! run. `cargo test` alone uses the debug build, which is quicker to make.

/// The path of the `rolecall` under test.
pub(crate) const ROLECALL: &str = match option_env!("ROLECALL_UNDER_TEST") {
    Some(path) => path,
    None => env!("CARGO_BIN_EXE_rolecall"),
};

/// The path of the `rolecalld` under test; it lies beside `rolecall`.
pub(crate) const ROLECALLD: &str = match option_env!("ROLECALLD_UNDER_TEST") {
    Some(path) => path,
    None => env!("CARGO_BIN_EXE_rolecalld"),
};
