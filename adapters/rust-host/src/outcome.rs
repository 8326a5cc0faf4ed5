//! Why there are no computed values: a broken rule, or an abstention with its reason.

use crate::missing::Missing;
use crate::rpc::{Abstention, AbstentionReason, BrokenRule, Rule};
use crate::witness_file::DamagedFile;

#[derive(Debug)]
pub enum Stop {
    Broken(BrokenRule),
    Abstain(Abstention),
    /// Nobody waits for an answer any more.
    Cancelled,
}

pub fn abstain(reason: AbstentionReason, detail: impl AsRef<str>) -> Stop {
    let detail = one_line(detail.as_ref());
    Stop::Abstain(Abstention { reason: reason.into(), detail, missing: Vec::new() })
}

pub fn refuse(detail: impl AsRef<str>) -> Stop {
    abstain(AbstentionReason::Refused, detail)
}

pub fn broken(rule: Rule, detail: impl AsRef<str>) -> BrokenRule {
    BrokenRule { rule: rule.into(), detail: one_line(detail.as_ref()) }
}

/// Details are one line; a client's message need not be.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<BrokenRule> for Stop {
    fn from(rule: BrokenRule) -> Self {
        Self::Broken(rule)
    }
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Abstain(Abstention {
            reason: AbstentionReason::WitnessInsufficient.into(),
            detail: one_line(&missing.describe()),
            missing: vec![missing.into()],
        })
    }
}

impl From<DamagedFile> for Stop {
    fn from(damage: DamagedFile) -> Self {
        refuse(damage.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_one_line() {
        assert_eq!(one_line(" one\n two\t three "), "one two three");
        assert_eq!(broken(Rule::Other, "a\nb").detail, "a b");
        let Stop::Abstain(abstention) = refuse("a\r\nb") else { panic!("not an abstention") };
        assert_eq!((abstention.reason(), abstention.detail.as_str()), (AbstentionReason::Refused, "a b"));
    }
}
