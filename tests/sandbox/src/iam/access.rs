//! Whether a caller may do what it asks IAM for.
//!
//! Rules: Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM"; IAM User Guide,
//! "Troubleshoot access denied error messages". What is there is named as `role NAME`, what is to be made by its ARN.

use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::policy::Question;
use crate::world::Tags;

/// What an operation is about.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    arn: String,
    shown: String,
    tags: Tags,
    /// What else conditions may ask.
    keys: Vec<(String, Vec<String>)>,
}

impl Resource {
    /// Something that is there, or that is asked for as if it were.
    pub(super) fn named(kind: &str, name: &str, arn: String) -> Self {
        Self { arn, shown: format!("{kind} {name}"), tags: Tags::new(), keys: Vec::new() }
    }

    /// Something that is shown by its ARN, such as what is to be made.
    pub(super) fn by_arn(arn: String) -> Self {
        Self { shown: arn.clone(), arn, tags: Tags::new(), keys: Vec::new() }
    }

    /// Adds the tags that it bears.
    pub(super) fn tagged(mut self, tags: &Tags) -> Self {
        self.tags.clone_from(tags);
        self
    }

    /// Adds a condition key.
    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.keys.push((key.to_owned(), vec![value.to_owned()]));
        self
    }

    /// Adds the tags of the request.
    pub(super) fn requesting(mut self, tags: &Tags) -> Self {
        for (key, value) in tags {
            self.keys.push((format!("aws:RequestTag/{key}"), vec![value.clone()]));
        }
        if !tags.is_empty() {
            self.keys.push(("aws:TagKeys".to_owned(), tags.keys().cloned().collect()));
        }
        self
    }

    /// Asks the caller's policies for the operation that is answered.
    pub(super) fn allow(&self, exchange: &Exchange<'_>, caller: &Caller) -> Result<(), ApiError> {
        self.allow_action(&exchange.operation.action, exchange, caller)
    }

    /// Asks the caller's policies for an action.
    pub(super) fn allow_action(&self, action: &str, exchange: &Exchange<'_>, caller: &Caller) -> Result<(), ApiError> {
        let action = format!("iam:{action}");
        let authority = Authority::of(caller, exchange.known());
        let mut context = authority.context(caller, exchange.now);
        for (key, value) in &self.tags {
            context.put(&format!("aws:ResourceTag/{key}"), value);
            context.put(&format!("iam:ResourceTag/{key}"), value);
        }
        for (key, values) in &self.keys {
            context.put_all(key, values.clone());
        }
        let question = Question { action: &action, resource: &self.arn, context: &context };
        authority.barrier(&question).map_or(Ok(()), |barrier| {
            let (who, shown, why) = (caller.arn(), &self.shown, barrier.reason(&action));
            let message = format!("User: {who} is not authorized to perform: {action} on resource: {shown}{why}");
            Err(ApiError::new(403, "AccessDenied", message))
        })
    }
}
