using PeftNative.Jinja.Syntax;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Runtime;

/// <summary>
/// A macro with the scope it was defined in, whose names it sees; also the <c>caller</c> of a call block.
/// </summary>
internal sealed class MacroValue(MacroDefinition definition, Scope closure) : Value
{
    public override string TypeName => "Macro";

    public override bool IsCallable => true;

    public override Value? Attribute(string name) => name switch
    {
        "name" => new StringValue(definition.Name),
        "arguments" => new TupleValue([.. definition.Parameters.Select(p => new StringValue(p.Name))]),
        "catch_kwargs" => BoolValue.Of(definition.TakesKwargs),
        "catch_varargs" => BoolValue.Of(definition.TakesVarargs),
        "caller" => BoolValue.Of(definition.TakesCaller),
        _ => null,
    };

    public override Value Call(Interpreter interpreter, Arguments arguments)
    {
        var scope = new Scope(closure);
        Bind(scope, arguments, interpreter);
        return new StringValue(interpreter.Capture(definition.Body, scope));
    }

    public override void WriteRepr(TextBuilder output) => output.Append($"<Macro '{definition.Name}'>");

    private void Bind(Scope scope, Arguments arguments, Interpreter interpreter)
    {
        var parameters = definition.Parameters;
        var named = new Dictionary<string, Value>(arguments.Named.Count);
        foreach (var (name, value) in arguments.Named) named[name] = value;
        for (var i = 0; i < parameters.Count; i++)
        {
            var (name, fallback) = parameters[i];
            Value? value;
            if (i < arguments.Positional.Count) value = arguments.Positional[i];
            else if (!named.Remove(name, out value)) value = null;
            scope.Set(name, value ?? (fallback is null
                ? new UndefinedValue($"parameter '{name}' was not provided")
                : interpreter.EvaluateIn(scope, fallback)));
        }

        BindCaller(scope, named);
        BindRest(scope, arguments, named, interpreter);
    }

    private void BindCaller(Scope scope, Dictionary<string, Value> named)
    {
        if (!definition.TakesCaller || definition.Parameters.Any(p => p.Name == "caller")) return;
        scope.Set("caller", named.Remove("caller", out var caller) ? caller : new UndefinedValue("No caller defined"));
    }

    private void BindRest(Scope scope, Arguments arguments, Dictionary<string, Value> named, Interpreter interpreter)
    {
        if (definition.TakesKwargs)
            scope.Set("kwargs", interpreter.NewDict(
                named.Select(n => new KeyValuePair<Value, Value>(new StringValue(n.Key), n.Value))));
        else if (named.Count > 0)
            throw new JinjaException($"macro '{definition.Name}' takes no keyword argument '{named.First().Key}'");
        var excess = arguments.Positional.Count - definition.Parameters.Count;
        if (definition.TakesVarargs)
            scope.Set("varargs", new TupleValue([.. arguments.Positional.Skip(definition.Parameters.Count)]));
        else if (excess > 0)
            throw new JinjaException(
                $"macro '{definition.Name}' takes not more than {definition.Parameters.Count} argument(s)");
    }
}
