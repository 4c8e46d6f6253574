//! Everything that changes while the sandbox runs.

use crate::caller::Sessions;
use crate::mfa::SpentCodes;
use crate::place::Place;
use crate::signin::Signin;
use crate::unsettled::Unsettled;
use crate::world::World;

/// The world, and what has been issued and used up in it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) unsettled: Unsettled,
    pub(crate) sessions: Sessions,
    pub(crate) spent_codes: SpentCodes,
    pub(crate) place: Place,
    pub(crate) signin: Signin,
}
