//! What the code of one module names: its `use` items and every path, outside comments, strings and tests.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Meta, Stmt, UseTree};

/// A name that a `use` item brings into scope.
#[derive(Debug, Clone)]
pub(super) struct Import {
    /// None for a glob.
    pub(super) name: Option<String>,
    pub(super) path: Vec<String>,
}

/// A path of the code.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    /// It is the path before a `::*`.
    pub(super) glob: bool,
}

/// What [`collect`] finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) imports: Vec<Import>,
    pub(super) inner_imports: Vec<Import>,
    pub(super) items: BTreeSet<String>,
    pub(super) exported_macros: Vec<String>,
    pub(super) references: Vec<Reference>,
}

/// Reads the items of a module; not those of the modules inside it.
pub(super) fn collect(items: &[Item]) -> Found {
    let mut collector = Collector {
        found: Found::default(),
        depth: 0,
    };
    for item in items {
        collector.visit_item(item);
    }
    collector.found
}

/// `#[cfg(test)]`, also within `all(…)`; `#[test]`.
pub(super) fn is_for_tests(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("test") {
        return true;
    }
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    list.path.is_ident("cfg") && requires_test(list.tokens.clone())
}

/// Whether a condition holds in tests only. `any(test, …)` and `not(test)` hold elsewhere too.
fn requires_test(condition: TokenStream) -> bool {
    let mut tokens = condition.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let TokenTree::Ident(word) = token else {
            continue;
        };
        let required = match tokens.peek() {
            Some(TokenTree::Group(group)) => word == "all" && requires_test(group.stream()),
            _ => word == "test",
        };
        if required {
            return true;
        }
    }
    false
}

/// The file of `#[path = "…"]`.
pub(super) fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let syn::Expr::Lit(value) = &pair.value else {
        return None;
    };
    match &value.lit {
        syn::Lit::Str(text) if pair.path.is_ident("path") => Some(text.value()),
        _ => None,
    }
}

struct Collector {
    found: Found,
    /// How many items are around the one that is visited.
    depth: usize,
}

impl Collector {
    fn refer(&mut self, path: Vec<String>, span: Span, glob: bool) {
        self.found.references.push(Reference {
            path,
            line: span.start().line,
            glob,
        });
    }

    fn import(&mut self, before: &[String], tree: &UseTree) {
        let with = |last: String| {
            let mut path = before.to_vec();
            // `{self, …}` is the path itself.
            if last != "self" || path.is_empty() {
                path.push(last);
            }
            path
        };
        let (name, path, span) = match tree {
            UseTree::Path(part) => {
                let mut path = before.to_vec();
                path.push(part.ident.to_string());
                return self.import(&path, &part.tree);
            }
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|part| self.import(before, part));
            }
            UseTree::Glob(glob) => (None, before.to_vec(), glob.star_token.span),
            UseTree::Name(part) => {
                let path = with(part.ident.to_string());
                (path.last().cloned(), path, part.ident.span())
            }
            UseTree::Rename(part) => {
                let path = with(part.ident.to_string());
                (Some(part.rename.to_string()), path, part.ident.span())
            }
        };
        self.refer(path.clone(), span, name.is_none());
        let import = Import { name, path };
        match self.depth {
            1 => self.found.imports.push(import),
            _ => self.found.inner_imports.push(import),
        }
    }

    /// Finds each `a::b` in the tokens given to a macro or an attribute.
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        // Whether a `$` (another macro's variable, or `$crate`) or a `::` (another crate) stands before.
        let (mut dollar, mut colons) = (false, false);
        while let Some((token, after)) = rest.split_first() {
            rest = after;
            match token {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(word) => {
                    let (path, after) = path_at(word.to_string(), rest);
                    let ours = !colons && (!dollar || word == "crate");
                    if ours && path.len() > 1 {
                        self.refer(path, word.span(), false);
                    }
                    rest = after;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            dollar = is_punct(token, '$');
            colons = is_punct(token, ':')
                && matches!(tokens_before(&tokens, rest), [.., a, _] if is_punct(a, ':'));
        }
    }

    fn visit_below(&mut self, visit: impl FnOnce(&mut Self)) {
        self.depth += 1;
        visit(self);
        self.depth -= 1;
    }
}

/// What of `tokens` stands before `rest`, its end.
fn tokens_before<'a>(tokens: &'a [TokenTree], rest: &[TokenTree]) -> &'a [TokenTree] {
    let count = tokens.len().saturating_sub(rest.len());
    tokens.get(..count).unwrap_or_default()
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// The path that begins with `first` and continues in `rest`, and what follows it.
fn path_at(first: String, mut rest: &[TokenTree]) -> (Vec<String>, &[TokenTree]) {
    let mut path = vec![first];
    while let [a, b, TokenTree::Ident(word), after @ ..] = rest
        && is_punct(a, ':')
        && is_punct(b, ':')
    {
        path.push(word.to_string());
        rest = after;
    }
    (path, rest)
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_for_tests) {
            return;
        }
        if self.depth == 0 {
            self.found.items.extend(name(item));
        }
        match item {
            // A module's own items are collected by themselves.
            Item::Mod(_) => {}
            Item::Macro(item) => {
                let exported = |a: &Attribute| a.path().is_ident("macro_export");
                if item.attrs.iter().any(exported) {
                    let name = item.ident.iter().map(ToString::to_string);
                    self.found.exported_macros.extend(name);
                }
                visit::visit_item_macro(self, item);
            }
            _ => self.visit_below(|collector| visit::visit_item(collector, item)),
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes: &[Attribute] = match statement {
            Stmt::Local(local) => &local.attrs,
            Stmt::Macro(call) => &call.attrs,
            Stmt::Item(_) | Stmt::Expr(..) => &[],
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !field.attrs.iter().any(is_for_tests) {
            visit::visit_field(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !variant.attrs.iter().any(is_for_tests) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // `use ::std::…` is another crate's.
        if item.leading_colon.is_none() {
            self.import(&[], &item.tree);
        }
    }

    /// `pub(in crate::a)` takes nothing from there.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none()
            && path.segments.len() > 1
            && let Some(first) = path.segments.first()
        {
            let words = path.segments.iter().map(|part| part.ident.to_string());
            self.refer(words.collect(), first.ident.span(), false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.scan(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.scan(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The name that an item defines. Modules and `use` items are known otherwise.
fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
