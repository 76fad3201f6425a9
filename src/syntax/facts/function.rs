//! CREATE FUNCTION.

use std::ops::Range;

use squawk_syntax::ast::{self, AstNode};

use super::{Fact, names};

pub(crate) struct Function {
    pub name: String,
    /// Where its name stands.
    pub at: Range<usize>,
    /// Name and type of the parameters that take a value, in order.
    pub parameters: Vec<(String, String, Range<usize>)>,
    /// Of RETURNS, in the form of [`names::words`].
    pub returns: String,
    pub volatile: bool,
}

pub(super) fn of(create: &ast::CreateFunction) -> Option<Fact> {
    let name = create.name()?;
    let options = create.option_list();
    let settled = options
        .into_iter()
        .flat_map(|list| list.options())
        .any(|option| match option {
            ast::FuncOption::VolatilityFuncOption(volatility) => {
                !matches!(volatility, ast::VolatilityFuncOption::Volatile(_))
            }
            _ => false,
        });
    let parameters = create
        .param_list()
        .into_iter()
        .flat_map(|list| list.params());
    Some(Fact::CreateFunction(Function {
        name: names::first(name.syntax()),
        at: name.syntax().text_range().into(),
        parameters: parameters.filter_map(|p| parameter(&p)).collect(),
        returns: create
            .ret_type()
            .map(|returns| names::words(returns.syntax()))
            .unwrap_or_default(),
        volatile: !settled,
    }))
}

fn parameter(parameter: &ast::Param) -> Option<(String, String, Range<usize>)> {
    if matches!(parameter.mode(), Some(ast::ParamMode::ParamOut(_))) {
        return None;
    }
    let name = parameter
        .name()
        .map(|name| ast::normalize_name_node(name.syntax()));
    let ty = parameter.func_type().map(|ty| names::words(ty.syntax()));
    Some((
        name.unwrap_or_default(),
        ty.unwrap_or_default(),
        parameter.syntax().text_range().into(),
    ))
}
