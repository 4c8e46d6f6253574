//! The steps of a setup, each written down before and after its call.
//!
//! What is there and ours is taken as it is; a document of ours that differs is changed; anything else is left, and said. A call
//! whose answer was lost is not repeated but looked up: by its name, and by its tag.

use super::Work;
use super::calls::may_have_acted;
use super::discovery::{Discovered, refuse_taken};
use super::ownership::used;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_ipc::protocol::setup::{Applied, Apply, Found, Local, Made, ResourceState, STATE_VERSION, State};
use rolecall_ports::{Changed, Resource};

/// How often a thing is made anew whose first making nobody heard the end of.
const TRIES: u32 = 3;

impl Work<'_> {
    /// Makes everything that is not there yet.
    pub(super) async fn apply(&mut self, asked: Apply) -> Result<Applied, UserError> {
        let resumed = self.desk.state.is_some();
        let seen = match self.desk.surveyed.take() {
            Some((steps, adopt, seen)) if steps == asked.steps && adopt == asked.adopt => seen,
            _ => self.survey(&asked.steps, asked.adopt).await?,
        };
        refuse_taken(&self.desk.setup, &seen, &asked.steps)?;
        self.refuse_changed(&seen, &asked).await?;
        self.check_key(&asked).await?;
        let earlier = self.attached_before(&asked).await?;
        self.begin(&asked);
        self.record().map_err(|report| report.with_note("nothing was made"))?;
        let mut remarks = Vec::new();
        for (at, step) in asked.steps.iter().enumerate() {
            self.go_on()?;
            let seen = seen.iter().find(|seen| seen.at == at);
            match &step.call {
                Call::CreateAccessKey { user } => self.key(step, user, &asked.local).await?,
                Call::CreateVirtualMFADevice { .. } => self.device(step, seen, asked.keep_totp).await?,
                Call::EnableMFADevice { user, serial } => self.enable(step, (user, serial), asked.keep_totp).await?,
                _ => match seen {
                    Some(seen) => self.make(step, seen, &mut remarks).await?,
                    None => self.join(step, &earlier).await?,
                },
            }
        }
        remarks.extend(self.left_over(&asked.steps));
        let state = self.desk.state.as_ref();
        let made = state.map(|state| state.made.as_slice()).unwrap_or_default();
        let of = |fits: fn(&Call) -> bool| made.iter().rev().find(|made| fits(&made.step.call));
        let key = of(|call| matches!(call, Call::CreateAccessKey { .. }));
        let device = of(|call| matches!(call, Call::CreateVirtualMFADevice { .. }));
        Ok(Applied {
            access_key_id: key.and_then(|made| made.keys.last().cloned()),
            mfa_serial: device.and_then(|made| made.arn.clone()),
            calls: self.desk.calls,
            resumed,
            remarks,
        })
    }

    fn begin(&mut self, asked: &Apply) {
        let local = &asked.local;
        let desk = &mut *self.desk;
        let state = desk.state.get_or_insert_with(|| State {
            v: STATE_VERSION,
            setup: desk.setup.clone(),
            auth: desk.auth.account.to_string(),
            workload: desk.workload.account.to_string(),
            external_id: desk.external_id.clone(),
            local: local.clone(),
            made: Vec::new(),
            proven: false,
            rebuilt: false,
            uses: Vec::new(),
        });
        let uses = used(&asked.steps).into_iter().filter(|user| !state.uses.contains(user)).collect::<Vec<_>>();
        state.uses.extend(uses);
        state.external_id.clone_from(&desk.external_id);
        state.rebuilt = false;
        // What an earlier run has put into the configuration is still this setup's.
        let makes_identity =
            local.makes_identity || state.local.makes_identity && state.local.identity == local.identity;
        state.local = Local { makes_identity, ..local.clone() };
        state.proven = false;
    }

    /// Gives what the journal says of a step, which is begun where it says nothing.
    pub(super) fn entry(&mut self, step: &Step) -> &mut Made {
        let made = &mut self.desk.state.as_mut().expect("begun before any step").made;
        let at = made.iter().position(|made| made.step.side == step.side && is_same(&made.step.call, &step.call));
        let at = at.unwrap_or_else(|| {
            let entry =
                Made { step: step.clone(), stands: ResourceState::Begun, arn: None, keys: Vec::new(), window: None };
            made.push(entry);
            made.len() - 1
        });
        made[at].step = step.clone();
        &mut made[at]
    }

    /// Writes down how far a step is.
    pub(super) fn stand(&mut self, step: &Step, stands: ResourceState, arn: Option<String>) -> Result<(), UserError> {
        let entry = self.entry(step);
        entry.stands = stands;
        if arn.is_some() {
            entry.arn = arn;
        }
        self.record().map_err(|report| report.with_note("the same command again goes on"))
    }

    /// Makes a thing, or takes the one of an earlier run.
    async fn make(&mut self, step: &Step, seen: &Discovered, remarks: &mut Vec<String>) -> Result<(), UserError> {
        let Some((thing, name)) = self.thing(step) else { return Ok(()) };
        if let Found::Ours { arn, differs, .. } = &seen.finding.found {
            let arn = arn.clone();
            self.stand(step, ResourceState::Done, Some(arn))?;
            self.line.say("there", &name).await?;
            if let Call::CreateRole { name: role, trust, max_session_seconds, .. } = &step.call {
                let (role, trust, max_session_seconds) = (role.clone(), trust.clone(), *max_session_seconds);
                let mut changes = Vec::new();
                if seen.trust_differs {
                    changes.push(Call::UpdateAssumeRolePolicy { role: role.clone(), trust });
                }
                if seen.duration_differs {
                    changes.push(Call::UpdateRole { role, max_session_seconds });
                }
                for call in changes {
                    self.did(&call).await?;
                    self.change(step.side, &call).await.map_err(|e| self.explained(step.side, Some(&call), e))?;
                }
            }
            let rest = differs.iter().filter(|what| !what.starts_with("its trust") && !what.starts_with("MaxSession"));
            remarks.extend(rest.map(|what| {
                format!(
                    "{name} differs and is left as it is: {what}; `rolecall setup destroy`, then `apply`, makes it anew"
                )
            }));
            return Ok(());
        }
        self.stand(step, ResourceState::Begun, None)?;
        let arn = self.made_anew(step, &thing).await?;
        self.stand(step, ResourceState::Done, arn)?;
        self.line.say("create", &name).await
    }

    /// Has IAM make a thing; where the answer is lost, looks whether it did.
    async fn made_anew(&mut self, step: &Step, thing: &Resource) -> Result<Option<String>, UserError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let error = match self.change(step.side, &step.call).await {
                Ok(Changed::Done(arn)) => return Ok(arn),
                Ok(_) => return Err(UserError::new(Kind::Failed, "IAM's answer does not fit its question")),
                Err(error) => error,
            };
            let lost = may_have_acted(&error) || (tried > 1 && error.aws_code() == "EntityAlreadyExists");
            if !lost || tried == TRIES {
                return Err(self.explained(step.side, Some(&step.call), error));
            }
            self.line.say("look", &format!("{}; looking whether it was done", error.report.message)).await?;
            if let Some(held) = self.read(step.side, thing).await? {
                return if self.is_ours(&held) {
                    Ok(Some(held.arn))
                } else {
                    Err(self.explained(step.side, Some(&step.call), error))
                };
            }
        }
    }

    /// Joins two things. Doing it again does no harm, so that what was detached meanwhile is attached again.
    async fn join(&mut self, step: &Step, earlier: &[String]) -> Result<(), UserError> {
        if let Call::AttachUserPolicy { arn, .. } = &step.call
            && earlier.contains(arn)
        {
            self.stand(step, ResourceState::Found, None)?;
            return self.line.say("there", &step.call.what()).await;
        }
        if self.entry(step).stands != ResourceState::Done {
            self.stand(step, ResourceState::Begun, None)?;
        }
        if let Call::AddRoleToInstanceProfile { profile, role } = &step.call {
            // IAM answers a second adding with a quota: a profile has one role.
            let held = self.read(step.side, &Resource::InstanceProfile(profile.clone())).await?;
            if held.is_some_and(|held| held.roles.contains(role)) {
                self.stand(step, ResourceState::Done, None)?;
                return self.line.say("there", &step.call.what()).await;
            }
        }
        let mut tried = 0;
        while let Err(error) = self.change(step.side, &step.call).await {
            tried += 1;
            if !may_have_acted(&error) || tried == TRIES {
                return Err(self.explained(step.side, Some(&step.call), error));
            }
        }
        self.stand(step, ResourceState::Done, None)?;
        self.did(&step.call).await
    }

    /// Says that a call is done, its first word as the step's.
    pub(super) async fn did(&mut self, call: &Call) -> Result<(), UserError> {
        let what = call.what();
        let (word, rest) = what.split_once(' ').unwrap_or(("done", &what));
        self.line.say(word, rest).await
    }

    /// Lists what a user who was there before has attached already: it is not ours to detach.
    async fn attached_before(&mut self, asked: &Apply) -> Result<Vec<String>, UserError> {
        if asked.steps.iter().any(|step| matches!(step.call, Call::CreateUser { .. })) {
            return Ok(Vec::new());
        }
        let attaches = asked.steps.iter().filter_map(|step| match &step.call {
            Call::AttachUserPolicy { user, arn } => Some((user, arn)),
            _ => None,
        });
        let attaches: Vec<(&String, &String)> = attaches.collect();
        let Some((user, _)) = attaches.first() else { return Ok(Vec::new()) };
        let thing = Resource::User((*user).clone());
        if self.read(Side::Auth, &thing).await?.is_none() {
            return Err(UserError::new(
                Kind::Refused,
                format!("there is no user {} in account {}", printable(user, 128), self.desk.auth.account),
            )
            .hint("leave out `--existing-user` to have it made"));
        }
        // The policy that we make cannot have been attached by anybody else.
        if attaches.len() == 1 {
            return Ok(Vec::new());
        }
        let hanging = self.hanging(Side::Auth, &thing).await?;
        let ours = |arn: &String| {
            let state = self.desk.state.iter().flat_map(|state| &state.made);
            let mut ours = state.filter(|made| made.stands != ResourceState::Found);
            ours.any(|made| matches!(&made.step.call, Call::AttachUserPolicy { arn: made, .. } if made == arn))
        };
        Ok(hanging.attached.into_iter().filter(|arn| !ours(arn)).collect())
    }

    /// Names what an earlier run has made and this one does not want.
    fn left_over(&self, steps: &[Step]) -> Vec<String> {
        let made = self.desk.state.iter().flat_map(|state| &state.made);
        let wanted =
            |made: &Made| steps.iter().any(|step| step.side == made.step.side && is_same(&step.call, &made.step.call));
        made.filter(|made| made.stands != ResourceState::Found && !wanted(made))
            .map(|made| {
                let what = made.step.call.what();
                format!("an earlier run did this too, and it stays until `rolecall setup destroy`: {what}")
            })
            .collect()
    }
}

/// Tells whether two calls are about the same thing, whatever its documents say.
pub(super) fn is_same(one: &Call, other: &Call) -> bool {
    use Call::{
        AddRoleToInstanceProfile, AttachRolePolicy, AttachUserPolicy, CreateAccessKey, CreateInstanceProfile,
        CreatePolicy, CreateRole, CreateUser, CreateVirtualMFADevice, EnableMFADevice, PutRolePolicy,
    };
    match (one, other) {
        (CreateUser { name: a, .. }, CreateUser { name: b, .. })
        | (CreateRole { name: a, .. }, CreateRole { name: b, .. })
        | (CreateInstanceProfile { name: a, .. }, CreateInstanceProfile { name: b, .. })
        | (CreateAccessKey { user: a }, CreateAccessKey { user: b }) => a == b,
        (CreatePolicy { name: a, path: p, .. }, CreatePolicy { name: b, path: q, .. })
        | (CreateVirtualMFADevice { name: a, path: p, .. }, CreateVirtualMFADevice { name: b, path: q, .. })
        | (PutRolePolicy { role: a, name: p, .. }, PutRolePolicy { role: b, name: q, .. })
        | (EnableMFADevice { user: a, serial: p }, EnableMFADevice { user: b, serial: q })
        | (AttachUserPolicy { user: a, arn: p }, AttachUserPolicy { user: b, arn: q })
        | (AttachRolePolicy { role: a, arn: p }, AttachRolePolicy { role: b, arn: q })
        | (AddRoleToInstanceProfile { profile: a, role: p }, AddRoleToInstanceProfile { profile: b, role: q }) => {
            (a, p) == (b, q)
        }
        _ => false,
    }
}
