//! What is wrong with a line of an AWS file, and who refuses the whole file for it.
//!
//! Knows two parsers, which stand for the rest: botocore's (`configloader.py`, on Python's strict `RawConfigParser`),
//! as the AWS CLI and boto3 use it, and the Rust SDK's (`env_config/parse.rs`), which follows the SDK specification.
//! One bad line of a neighbour takes every profile away, ours too; so a person must hear of it.

/// A line that some tool refuses or reads otherwise. Never holds the line's text, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseIssue {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub kind: ParseIssueKind,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParseIssueKind {
    /// The file starts with a byte order mark.
    Bom,
    /// The line is not UTF-8.
    NotUtf8,
    /// A carriage return stands alone inside the line.
    BareReturn,
    /// `[` without its `]`.
    NoBracket,
    /// `[]`.
    EmptyHeader,
    /// Something follows the `]` that is no comment.
    HeaderTail,
    /// Whitespace before `[`.
    IndentedHeader,
    /// A key without `=`.
    NoEquals,
    /// `= value` without a key.
    NoName,
    /// A key before the first section.
    BeforeSection,
    /// Whitespace before a key that continues nothing.
    IndentedKey,
    /// `key: value`.
    Colon,
    /// A line of a nested block without `=`.
    NestedNoEquals,
    /// Whitespace before `#` or `;`.
    IndentedComment,
    /// A key twice in one section.
    DuplicateKey {
        /// The line that had it first.
        first: usize,
    },
    /// A profile twice in one file, under headers that are written differently, as `[default]` and `[profile default]`.
    SecondHeader {
        /// The line that had it first.
        first: usize,
    },
    /// A section header twice in one file.
    DuplicateSection {
        /// The line that had it first.
        first: usize,
    },
}

impl ParseIssueKind {
    /// Says whether the AWS CLI and boto3 refuse the whole file.
    pub const fn stops_python(self) -> bool {
        !matches!(
            self,
            Self::BareReturn
                | Self::HeaderTail
                | Self::IndentedHeader
                | Self::IndentedKey
                | Self::Colon
                | Self::IndentedComment
                | Self::SecondHeader { .. }
        )
    }

    /// Says whether the Rust SDK refuses the whole file.
    pub const fn stops_rust(self) -> bool {
        !matches!(
            self,
            Self::NotUtf8
                | Self::BareReturn
                | Self::EmptyHeader
                | Self::DuplicateKey { .. }
                | Self::DuplicateSection { .. }
                | Self::SecondHeader { .. }
        )
    }

    /// Says what is wrong, as the end of a sentence that starts with file and line.
    pub fn what(self) -> String {
        let text = match self {
            Self::Bom => "the file starts with a byte order mark",
            Self::NotUtf8 => "the line is not UTF-8",
            Self::BareReturn => "a carriage return stands inside the line",
            Self::NoBracket => "`[` has no `]`",
            Self::EmptyHeader => "the section has no name",
            Self::HeaderTail => "something follows the `]`",
            Self::IndentedHeader => "the section header is indented",
            Self::NoEquals => "the line has no `=`",
            Self::NoName => "`=` has no key before it",
            Self::BeforeSection => "a key stands before the first section",
            Self::IndentedKey => "the key is indented and continues nothing",
            Self::Colon => "the key is separated by `:`, not by `=`",
            Self::NestedNoEquals => "the line of a nested block has no `=`",
            Self::IndentedComment => "the comment is indented",
            Self::DuplicateKey { first } => return format!("the key is already set in line {first}"),
            Self::SecondHeader { first } => {
                return format!("the profile is already there in line {first}, with another header");
            }
            Self::DuplicateSection { first } => return format!("the section is already there in line {first}"),
        };
        text.to_owned()
    }

    /// Says what comes of it.
    pub const fn consequence(self) -> &'static str {
        match (self.stops_python(), self.stops_rust()) {
            (true, true) => "the AWS CLI, boto3 and the Rust SDK refuse the whole file",
            (true, false) => match self {
                Self::NotUtf8 => "the AWS CLI and boto3 refuse the whole file, and the Rust SDK takes it as empty",
                _ => "the AWS CLI and boto3 refuse the whole file",
            },
            (false, true) => match self {
                Self::IndentedHeader | Self::IndentedKey | Self::IndentedComment => {
                    "the Rust SDK refuses the whole file or takes the line for a part of the value above"
                }
                _ => "the Rust SDK refuses the whole file",
            },
            (false, false) => match self {
                Self::SecondHeader { .. } => {
                    "the AWS CLI and boto3 read this section and not the first, other tools mix the two or prefer `[profile default]`"
                }
                Self::BareReturn => "the AWS CLI and boto3 start a new line there, other tools do not",
                _ => "tools read it differently",
            },
        }
    }

    /// Says how to put it right.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Bom => "save the file as UTF-8 without a byte order mark",
            Self::NotUtf8 => "save the file as UTF-8",
            Self::BareReturn => "end the lines with a line feed",
            Self::NoBracket => "close the header with `]`",
            Self::EmptyHeader => "give the section a name or delete it",
            Self::HeaderTail => "delete what follows the `]`",
            Self::IndentedHeader | Self::IndentedKey | Self::IndentedComment => {
                "delete the spaces at the start of the line"
            }
            Self::NoEquals | Self::NestedNoEquals => "write `key = value`, or put `#` at the start of the line",
            Self::NoName => "give the value a key or delete the line",
            Self::BeforeSection => "move the line under a section, for instance `[default]`",
            Self::Colon => "write `=` instead of `:`",
            Self::DuplicateKey { .. } => "delete one of the two lines",
            Self::DuplicateSection { .. } | Self::SecondHeader { .. } => "join the two sections",
        }
    }
}
