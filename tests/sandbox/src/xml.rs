//! XML as AWS writes it: small, without whitespace, every text escaped.

use std::fmt::Display;

use quick_xml::escape::escape;

/// A document being written.
#[derive(Debug)]
pub(crate) struct Xml {
    text: String,
    open: Vec<&'static str>,
}

impl Xml {
    /// Begins a document with its root element.
    pub(crate) fn new(root: &str, namespace: Option<&str>) -> Self {
        let namespace = namespace.map(|uri| format!(" xmlns=\"{uri}\"")).unwrap_or_default();
        Self { text: format!("<{root}{namespace}>"), open: Vec::new() }
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, name: &'static str) -> &mut Self {
        self.put(&format!("<{name}>"));
        self.open.push(name);
        self
    }

    /// Closes the element opened last.
    pub(crate) fn close(&mut self) -> &mut Self {
        let name = self.open.pop().expect("an element is closed after it is opened");
        self.put(&format!("</{name}>"));
        self
    }

    /// Writes an element with a text.
    pub(crate) fn leaf(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.put(&format!("<{name}>{}</{name}>", escape(value.to_string())));
        self
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Ends the document.
    pub(crate) fn finish(self, root: &str) -> String {
        assert!(self.open.is_empty(), "every element is closed before the root");
        format!("{}</{root}>", self.text)
    }
}

/// Replaces the text of every element with a name.
pub(crate) fn replace(document: &str, name: &str, text: &str) -> String {
    rewrite(document, name, &format!("<{name}>{}</{name}>", escape(text)))
}

/// Removes every element with a name.
pub(crate) fn remove(document: &str, name: &str) -> String {
    rewrite(document, name, "")
}

/// Returns the text of the first element with a name.
pub(crate) fn text<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    document.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

fn rewrite(document: &str, name: &str, with: &str) -> String {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let mut result = String::with_capacity(document.len());
    let mut rest = document;
    while let Some((before, (_, after))) =
        rest.split_once(&start).and_then(|(before, rest)| Some((before, rest.split_once(&end)?)))
    {
        result += before;
        result += with;
        rest = after;
    }
    result + rest
}
