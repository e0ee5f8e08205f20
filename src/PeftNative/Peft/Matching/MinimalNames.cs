using PeftNative.Models;

namespace PeftNative.Peft.Matching;

/// <summary>
/// Shortens a long list of module names to ends of names that fit these modules and no others, as PEFT does before it
/// saves an "all-linear" choice of 20 names or more.
/// </summary>
internal static class MinimalNames
{
    private const int Threshold = 20;

    internal static IReadOnlyList<string> Of(TransformerModel model, IReadOnlyList<ModuleInfo> chosen)
    {
        var names = chosen.Select(m => m.Path).ToList();
        if (names.Count < Threshold) return names;
        var others = model.Modules.Select(m => m.Path).Except(names).ToList();
        var ends = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var name in names)
            if (!ends.Any(e => Ends(name, e))) ends.Add(ShortestEnd(name, others));
        return [.. ends];
    }

    private static string ShortestEnd(string name, List<string> others)
    {
        var parts = name.Split('.');
        for (var n = 1; n < parts.Length; n++)
        {
            var end = string.Join('.', parts[^n..]);
            if (!int.TryParse(parts[^n], out _) && !others.Any(o => Ends(o, end))) return end;
        }
        return name;
    }

    private static bool Ends(string name, string end) => name == end
        || name.EndsWith("." + end, StringComparison.Ordinal);
}
