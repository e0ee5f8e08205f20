using PeftNative.Models.Families;
using PeftNative.Models.Weights;
using PeftNative.Peft.Tokens;

namespace PeftNative.Peft.Adapters;

/// <summary>The names that tensors have in PEFT's files besides the usual ones.</summary>
internal static class AdapterKeys
{
    private const string Saved = "modules_to_save", Original = "original_module", BaseLayer = "base_layer";

    // What other programs wrap around modules, which is no part of their names.
    private const string Compiled = "_orig_mod", Parallel = "module";

    private static readonly string[] Roots = ["base_model.model.", "base_model."];

    /// <summary>
    /// A tensor's name without what torch.compile (<c>_orig_mod</c>, anywhere) and wrappers for several devices
    /// (<c>module</c>, in front or behind the root) put into it.
    /// </summary>
    internal static string Unwrapped(string name)
    {
        var parts = name.Split('.').Where(p => p != Compiled).ToList();
        while (parts is [Parallel, _, ..]) parts.RemoveAt(0);
        while (parts is ["base_model", "model", Parallel, _, ..]) parts.RemoveAt(2);
        return string.Join('.', parts);
    }

    /// <summary>A tensor's name in the module tree.</summary>
    internal static string WithoutRoot(string name) =>
        Array.Find(Roots, r => name.StartsWith(r, StringComparison.Ordinal)) is { } root ? name[root.Length..] : name;

    /// <summary>
    /// Usual names that a tensor may mean which does not begin as it should: wrapped, or without base_model.model. in
    /// front. PEFT passes such tensors over.
    /// </summary>
    internal static IEnumerable<string> Mended(string name)
    {
        var plain = Unwrapped(name);
        if (plain != name) yield return plain;
        if (!plain.StartsWith(Roots[1], StringComparison.Ordinal)) yield return Roots[0] + plain;
    }

    /// <summary>
    /// Usual names that a tensor may mean: without the adapter's name (<c>lora_A.default.weight</c>), without the
    /// wrapper of a saved module (<c>classifier.modules_to_save.bias</c>,
    /// <c>classifier.modules_to_save.default.dense.bias</c>), a magnitude without <c>.weight</c>.
    /// </summary>
    /// <param name="name">The name of the tensor.</param>
    /// <param name="named">The parts of names that the adapter's name follows where it was left in.</param>
    internal static IEnumerable<string> Spellings(string name, IReadOnlyList<string> named)
    {
        var parts = name.Split('.');
        for (var i = 0; i < parts.Length; i++)
        {
            var (first, most) = parts[i] == Saved ? (i, 2) : (i + 1, named.Contains(parts[i]) ? 2 : 0);
            for (var count = 1; count <= most && first + count <= parts.Length; count++)
                yield return string.Join('.', [.. parts[..first], .. parts[(first + count)..]]);
        }
    }

    /// <summary>
    /// What a tensor of an adapter of a model without a head (FEATURE_EXTRACTION) is called where the model has one:
    /// the backbone is then inside another module; null where that is no other name.
    /// </summary>
    internal static string? UnderHead(string name, Family family)
    {
        var outer = family.Names.Backbone.Split('.')[0];
        return outer.Length > 0 && name.StartsWith(Roots[0], StringComparison.Ordinal)
            && !name.AsSpan(Roots[0].Length).StartsWith($"{outer}.")
            ? $"{Roots[0]}{outer}.{name[Roots[0].Length..]}" : null;
    }

    /// <summary>
    /// The usual name of what <c>original_module</c> is the untrained state of; null for other names.
    /// </summary>
    internal static string? WithoutOriginal(string name) =>
        name.Contains($".{Original}.", StringComparison.Ordinal) ? Without(name, Original) : null;

    /// <summary>
    /// The parameter of the base that a tensor is: <c>X.base_layer.weight</c> where X is adapted (with
    /// <c>token_adapter</c> before it where tokens are trained), else <c>X.weight</c>;
    /// null where it is none, or one that the adapter trains under another name.
    /// </summary>
    internal static Parameter? BaseParameter(Adapter adapter, string name)
    {
        if (Array.Find(Roots, r => name.StartsWith(r, StringComparison.Ordinal)) is not { } root) return null;
        var plain = Without(Without(name[root.Length..], BaseLayer), TokenIndices.Wrapper);
        var parameter = adapter.Model.Parameters.FirstOrDefault(p => p.Name == plain);
        if (parameter is null || adapter.Trainables.Contains(adapter.Replacement(parameter.Index))) return null;
        return IsAdapted(adapter, parameter) == (plain.Length < name.Length - root.Length) ? parameter : null;
    }

    private static bool IsAdapted(Adapter adapter, Parameter parameter) =>
        (parameter == adapter.Model.Embedding.Table && adapter.AtEmbedding is not null)
        || adapter.Model.Linears.Any(l =>
            (l.Weight == parameter || l.Bias == parameter) && adapter.AtLinear(l.Index) is not null);

    private static string Without(string name, string part) => string.Join('.', name.Split('.').Where(p => p != part));
}
