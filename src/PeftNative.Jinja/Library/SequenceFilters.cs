using PeftNative.Jinja.Formatting;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>The filters that take and give whole sequences: list, sort, unique, batch, ...</summary>
internal static class SequenceFilters
{
    public static Builtin[] Filters { get; } =
    [
        Builtin.Of("list", "value", c => new ListValue(ToList(c, 0))),
        Builtin.Of("first", "seq", c =>
            c.Items(0).FirstOrDefault() ?? new UndefinedValue("No first item, sequence was empty.")),
        Builtin.Of("last", "seq", c =>
            Reversed(c).FirstOrDefault() ?? new UndefinedValue("No last item, sequence was empty.")),
        Builtin.Of("reverse", "value", Reverse),
        Builtin.Of("join", "value | d attribute", Join),
        Builtin.Of("items", "value", Items),
        Builtin.Of("dictsort", "value | case_sensitive by reverse", DictSort),
        Builtin.Of("sort", "value | reverse case_sensitive attribute", Sort),
        Builtin.Of("unique", "value | case_sensitive attribute", c => new GeneratorValue(Unique(c))),
        Builtin.Of(
            "min", "value | case_sensitive attribute", c => Extreme(c, (a, b) => Operators.IsLess(a, b, c.Budget))),
        Builtin.Of(
            "max", "value | case_sensitive attribute", c => Extreme(c, (a, b) => Operators.IsLess(b, a, c.Budget))),
        Builtin.Of("sum", "iterable | attribute start", Sum),
        Builtin.Of("groupby", "value attribute | default case_sensitive", GroupBy),
        Builtin.Of("batch", "value linecount | fill_with", c => new GeneratorValue(Batch(c))),
        Builtin.Of("slice", "value slices | fill_with", c => new GeneratorValue(Slices(c))),
    ];

    public static List<Value> ToList(Invocation call, int index)
    {
        List<Value> items = [];
        foreach (var item in call.Items(index))
        {
            call.Budget.Items(1);
            items.Add(item);
        }

        return items;
    }

    private static IEnumerable<Value> Reversed(Invocation call) =>
        call[0].ItemsReversed ?? throw new JinjaException($"'{call[0].TypeName}' object is not reversible");

    private static Value Reverse(Invocation call)
    {
        if (call[0] is StringValue text) return text.Slice(new SliceBounds(null, null, -1), call.Budget);
        if (call[0].ItemsReversed is { } items) return new GeneratorValue(items, "list_reverseiterator");
        var list = ToList(call, 0);
        list.Reverse();
        return new ListValue(list);
    }

    private static StringValue Join(Invocation call)
    {
        var items = call.Items(0);
        if (call.Given(2) is { } attribute) items = items.Select(ItemFilters.Getter(call, attribute));
        return new StringValue(
            StringTools.Join(call.Text(1, ""), items.Select(i => TextBuilder.TextOf(i, call.Budget)), call.Budget));
    }

    private static GeneratorValue Items(Invocation call) => new(call[0] switch
    {
        UndefinedValue => [],
        DictValue dict => dict.Entries.Select(e => new TupleValue([e.Key, e.Value])),
        _ => throw new JinjaException("Can only get item pairs from a mapping."),
    });

    private static ListValue DictSort(Invocation call)
    {
        if (call[0] is UndefinedValue undefined) throw undefined.Error();
        if (call[0] is not DictValue dict)
            throw new JinjaException($"'{call[0].TypeName}' object has no attribute 'items'");
        var by = call.Text(2, "key");
        if (by is not ("key" or "value")) throw new JinjaException("You can only sort by either \"key\" or \"value\"");
        var fold = Fold(call.IsTrue(1));
        var pairs = dict.Entries.Select(e =>
            (Key: fold(by == "key" ? e.Key : e.Value), Item: (Value)new TupleValue([e.Key, e.Value])));
        return Sorted(call, [.. pairs], call.IsTrue(3));
    }

    private static ListValue Sort(Invocation call)
    {
        var fold = Fold(call.IsTrue(2));
        var attributes = call.Given(3) is StringValue names
            ? names.Text.Split(',').Select(n => (Value)new StringValue(n))
            : [call.Given(3) ?? NoneValue.Instance];
        var getters = attributes.Select(a => ItemFilters.Getter(call, a)).ToArray();
        return Sorted(call, [.. ToList(call, 0).Select(i => (KeyOf(i), i))], call.IsTrue(1));

        Value KeyOf(Value item) =>
            getters is [var only] ? fold(only(item)) : new ListValue([.. getters.Select(g => fold(g(item)))]);
    }

    private static ListValue Sorted(Invocation call, List<(Value Key, Value Item)> items, bool reverse)
    {
        call.Budget.Items(items.Count);
        var sorted = Sorting.Sort(items, (a, b) => Operators.IsLess(a.Key, b.Key, call.Budget), reverse);
        return new ListValue([.. sorted.Select(i => i.Item)]);
    }

    /// <summary>Strings compare without regard to case unless the template asks for it.</summary>
    private static Func<Value, Value> Fold(bool caseSensitive) =>
        caseSensitive ? v => v : v => v is StringValue text ? new StringValue(LetterCase.Lower(text.Text)) : v;

    private static Func<Value, Value> FoldedGetter(
        Invocation call, Value? attribute, bool caseSensitive, Value? fallback = null)
    {
        var (get, fold) = (ItemFilters.Getter(call, attribute ?? NoneValue.Instance, fallback), Fold(caseSensitive));
        return item => fold(get(item));
    }

    private static IEnumerable<Value> Unique(Invocation call)
    {
        var key = FoldedGetter(call, call.Given(2), call.IsTrue(1));
        var seen = new HashSet<Value>(new ValueComparer(call.Budget));
        foreach (var item in call.Items(0))
        {
            call.Budget.Items(1);
            if (seen.Add(key(item))) yield return item;
        }
    }

    private static Value Extreme(Invocation call, Func<Value, Value, bool> isBetter)
    {
        var key = FoldedGetter(call, call.Given(2), call.IsTrue(1));
        Value? best = null, bestKey = null;
        foreach (var item in call.Items(0))
        {
            var itemKey = key(item);
            if (bestKey is null || isBetter(itemKey, bestKey)) (best, bestKey) = (item, itemKey);
        }

        return best ?? new UndefinedValue("No aggregated item, sequence was empty.");
    }

    private static Value Sum(Invocation call)
    {
        var get = ItemFilters.Getter(call, call.Given(1) ?? NoneValue.Instance);
        var total = call.Optional(2) ?? new IntValue(0);
        if (total is StringValue) throw new JinjaException("sum() can't sum strings [use ''.join(seq) instead]");
        foreach (var item in call.Items(0)) total = Arithmetic.Apply("+", total, get(item), call.Budget);
        return total;
    }

    private static ListValue GroupBy(Invocation call)
    {
        var key = FoldedGetter(call, call[1], call.IsTrue(3), call.Given(2));
        var plainKey = ItemFilters.Getter(call, call[1], call.Given(2));
        var sorted = Sorting.Sort(
            [.. ToList(call, 0).Select(i => (Key: key(i), Item: i))], (a, b) =>
                Operators.IsLess(a.Key, b.Key, call.Budget));
        List<Value> groups = [];
        for (var start = 0; start < sorted.Count;)
        {
            var end = start + 1;
            while (end < sorted.Count && Operators.AreEqual(sorted[end].Key, sorted[start].Key, call.Budget)) end++;
            var members = new ListValue([.. sorted[start..end].Select(s => s.Item)]);
            groups.Add(new GroupValue(plainKey(members.Elements[0]), members));
            start = end;
        }

        return new ListValue(groups);
    }

    private static IEnumerable<Value> Batch(Invocation call)
    {
        var size = call.Integer(1);
        List<Value> row = [];
        foreach (var item in call.Items(0))
        {
            call.Budget.Items(1);
            if (row.Count == size)
            {
                yield return new ListValue(row);
                row = [];
            }

            row.Add(item);
        }

        if (row.Count == 0) yield break;
        yield return new ListValue(Filled(call, row, size - row.Count));
    }

    private static List<Value> Filled(Invocation call, List<Value> row, int missing)
    {
        if (call.Given(2) is not { } fill || missing <= 0) return row;
        call.Budget.Items(missing);
        row.AddRange(Enumerable.Repeat(fill, missing));
        return row;
    }

    private static IEnumerable<Value> Slices(Invocation call)
    {
        var items = ToList(call, 0);
        var count = call.Integer(1);
        if (count == 0) throw new JinjaException("integer division or modulo by zero");
        var (size, extra) = (items.Count / count, items.Count % count);
        var at = 0;
        for (var i = 0; i < count; i++)
        {
            call.Budget.Items(1);
            var length = size + (i < extra ? 1 : 0);
            List<Value> part = items[at..(at + length)];
            at += length;
            yield return new ListValue(i >= extra ? Filled(call, part, 1) : part);
        }
    }
}
