//! `console` without `--print`: a browser that is sent there by an address that is no secret.
