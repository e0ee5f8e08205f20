using PeftNative.Tokenizers.Chat.Jinja.Runtime;

namespace PeftNative.Tokenizers.Chat.Jinja.Library;

/// <summary>All filters by name.</summary>
internal static class Filters
{
    public static Dictionary<string, Builtin> All { get; } = Create();

    private static Dictionary<string, Builtin> Create()
    {
        Dictionary<string, Builtin> filters = MethodTable.Of(
            [.. TextFilters.Filters, .. ValueFilters.Filters, .. SequenceFilters.Filters, .. ItemFilters.Filters]);
        filters["d"] = filters["default"];
        filters["e"] = filters["escape"];
        filters["count"] = filters["length"];
        return filters;
    }
}
