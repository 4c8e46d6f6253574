# The commands of CONTRIBUTING.md by short names, for `just` (https://just.systems). They work without it too.

# Lists the commands.
default:
    @just --list --unsorted

# Builds the programs, tests and benchmarks.
build:
    cargo build --workspace --all-targets

# Runs formatting, lints and most tests, on debug programs.
quick:
    tests/run quick

# Installs what the tests need, then runs every check, or the given steps: `just test clippy unit`.
test *STEPS:
    tests/run {{ STEPS }}

# Runs the tests in tests/it, or those whose name contains FILTER.
it *FILTER:
    cargo test --workspace --test it {{ FILTER }}

# Runs the demo, which is a test too.
demo:
    cargo demo

# Runs the lints as errors.
clippy:
    cargo clippy --workspace --all-targets -- -D warnings

# Formats the sources.
fmt:
    cargo fmt --all

# Checks licenses, sources and unwanted crates of the dependencies.
deny:
    tests/run deny

# Runs the fuzz targets for some hours, or the given ones: `just fuzz 1 config`.
fuzz HOURS="1" *TARGETS:
    fuzz/run --hours {{ HOURS }} {{ TARGETS }}

# Builds the client without the agent and its dependencies.
client:
    cargo build --no-default-features --bin rolecall

# Prints measures of the structure of the source tree.
house *OPTIONS:
    tests/house {{ OPTIONS }}

# Builds what is measured and prints the numbers of docs/performance.md.
bench *OPTIONS:
    benches/run {{ OPTIONS }}

# Builds the tarball and the Debian package into target/release-static/.
release *OPTIONS:
    packaging/release {{ OPTIONS }}
