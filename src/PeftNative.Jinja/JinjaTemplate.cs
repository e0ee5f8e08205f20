using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Syntax;

namespace PeftNative.Jinja;

/// <summary>
/// A parsed Jinja template with the semantics of Python, as chat templates are written for. It is our own because no
/// .NET library renders Jinja: Scriban is not on the registry and Fluid renders Liquid, another language. <c>Syntax</c>
/// reads a template to a tree, <c>Runtime</c> walks it, <c>Values</c> are what it computes with, <c>Library</c> and
/// <c>Formatting</c> what it can call. Immutable; several threads may render it at once.
/// </summary>
public sealed class JinjaTemplate
{
    private readonly Block _body;

    private JinjaTemplate(Block body) => _body = body;

    /// <summary>Parses a template.</summary>
    /// <param name="source">Its text.</param>
    /// <param name="limits">How long and how deep it may be; <see cref="JinjaLimits.Default"/> where null.</param>
    /// <exception cref="JinjaException">It is no template, or beyond the limits.</exception>
    public static JinjaTemplate Parse(string source, JinjaLimits? limits = null) =>
        new(Parser.Parse(source, limits ?? JinjaLimits.Default));

    /// <summary>Renders it.</summary>
    /// <param name="variables">What it sees besides the functions every template has.</param>
    /// <param name="limits">What it may use; <see cref="JinjaLimits.Default"/> where null.</param>
    /// <param name="clock">Where <c>strftime_now</c> reads the local time; the system's where null.</param>
    /// <exception cref="JinjaException">
    /// It fails, refuses its variables or exceeds the limits, with the line where that happened; or a variable is
    /// broken.
    /// </exception>
    public RenderedTemplate Render(
        IEnumerable<JinjaVariable> variables, JinjaLimits? limits = null, TimeProvider? clock = null)
    {
        var interpreter = new Interpreter(new Budget(limits ?? JinjaLimits.Default), clock ?? TimeProvider.System);
        var json = new JsonValues(interpreter);
        foreach (var variable in variables) interpreter.Define(variable.Name, json.Convert(variable));
        try
        {
            return new(interpreter.Render(_body), interpreter.GenerationSpans);
        }
        catch (JinjaException e)
        {
            e.Line = interpreter.Line;
            throw;
        }
    }
}
