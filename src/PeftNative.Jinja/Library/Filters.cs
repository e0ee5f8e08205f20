using PeftNative.Jinja.Runtime;

namespace PeftNative.Jinja.Library;

/// <summary>All filters by name.</summary>
internal static class Filters
{
    public static Dictionary<string, Builtin> All { get; } = Create();

    private static Dictionary<string, Builtin> Create()
    {
        Dictionary<string, Builtin> filters = PythonMethods.Of(
            [.. TextFilters.Filters, .. ValueFilters.Filters, .. SequenceFilters.Filters, .. ItemFilters.Filters]);
        filters["d"] = filters["default"];
        filters["e"] = filters["escape"];
        filters["count"] = filters["length"];
        return filters;
    }
}
