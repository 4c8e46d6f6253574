//! What a person sees: the live status on a real terminal, the log, colour; and the JSON that scripts read.

use crate::harness::home::{Home, chained_world};
use rolecall_sandbox::tutorials::USER_ARN;

mod live;
mod plain;
mod schemas;

/// Lets the roles of the chain be reached with the key that the home has.
fn chain_up(home: &Home) {
    home.aws.world(|world| {
        let keys = world.user(USER_ARN).access_keys.clone();
        *world = chained_world();
        world.user(USER_ARN).access_keys = keys;
    });
}
