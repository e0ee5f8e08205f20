using System.Globalization;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>
/// The lazy filters that call another filter or test for each item: map, select, reject, selectattr, rejectattr.
/// </summary>
internal static class ItemFilters
{
    public static Builtin[] Filters { get; } =
    [
        Builtin.Variadic("map", c => new GeneratorValue(Map(c))),
        Builtin.Variadic("select", c => new GeneratorValue(Select(c, byAttribute: false, wanted: true))),
        Builtin.Variadic("reject", c => new GeneratorValue(Select(c, byAttribute: false, wanted: false))),
        Builtin.Variadic("selectattr", c => new GeneratorValue(Select(c, byAttribute: true, wanted: true))),
        Builtin.Variadic("rejectattr", c => new GeneratorValue(Select(c, byAttribute: true, wanted: false))),
    ];

    /// <summary>
    /// Gets an attribute of an item, along a path such as <c>function.name</c> or <c>0.text</c>; the item itself where
    /// the attribute is None. What is missing becomes the fallback where there is one.
    /// </summary>
    public static Func<Value, Value> Getter(Invocation call, Value attribute, Value? fallback = null)
    {
        Value[] path = attribute switch
        {
            NoneValue => [],
            StringValue text => [.. text.Text.Split('.').Select(PathPart)],
            _ => [attribute],
        };
        return item =>
        {
            foreach (var part in path)
            {
                call.Budget.Step();
                item = Operators.GetItem(item, part, call.Budget);
                if (item is UndefinedValue && fallback is not null) item = fallback;
            }

            return item;
        };
    }

    private static Value PathPart(string part) => part.Length > 0 && part.All(char.IsAsciiDigit) && part.Length < 10
        ? new IntValue(int.Parse(part, CultureInfo.InvariantCulture))
        : new StringValue(part);

    private static IEnumerable<Value> Map(Invocation call)
    {
        var (input, arguments) = (call.All.Positional[0], call.All.Skip(1));
        if (!input.IsTrue) yield break;
        var function = Mapper(call, arguments);
        foreach (var item in call.Interpreter.Iterate(input)) yield return function(item);
    }

    private static Func<Value, Value> Mapper(Invocation call, Arguments arguments)
    {
        if (arguments.Positional.Count == 0 && arguments.Find("attribute") is { } attribute)
        {
            var fallback = arguments.Find("default");
            foreach (var (name, _) in arguments.Named)
                if (name is not ("attribute" or "default"))
                    throw new JinjaException($"Unexpected keyword argument '{name}'");
            return Getter(call, attribute, fallback is NoneValue ? null : fallback);
        }

        if (arguments.Positional.Count == 0) throw new JinjaException("map requires a filter argument");
        var filter = Name(arguments.Positional[0], "filter");
        var rest = arguments.Skip(1);
        return item => call.Interpreter.ApplyFilter(filter, item, rest);
    }

    private static IEnumerable<Value> Select(Invocation call, bool byAttribute, bool wanted)
    {
        var (input, arguments) = (call.All.Positional[0], call.All.Skip(1));
        if (!input.IsTrue) yield break;
        if (byAttribute && arguments.Positional.Count == 0)
            throw new JinjaException("Missing parameter for attribute name");
        var get = byAttribute ? Getter(call, arguments.Positional[0]) : item => item;
        var holds = Tester(call, byAttribute ? arguments.Skip(1) : arguments);
        foreach (var item in call.Interpreter.Iterate(input))
            if (holds(get(item)) == wanted)
                yield return item;
    }

    private static Func<Value, bool> Tester(Invocation call, Arguments arguments)
    {
        if (arguments.Positional.Count == 0) return value => value.IsTrue;
        var test = Name(arguments.Positional[0], "test");
        var rest = arguments.Skip(1);
        return value => call.Interpreter.ApplyTest(test, value, rest);
    }

    private static string Name(Value value, string kind) =>
        value is StringValue name ? name.Text : throw new JinjaException($"No {kind} named {value.TypeName}.");
}
