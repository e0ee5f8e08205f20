using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Weights;

namespace PeftNative.Models.Loading.Stored;

/// <summary>Finds a family's parameters in a checkpoint, under whatever prefix and spelling it was saved.</summary>
internal sealed class CheckpointNames
{
    // Names of training and wrapper libraries that end up in front of the real ones.
    private static readonly string[] KnownPrefixes = ["", "module.", "_orig_mod.", "base_model.model.", "base_model."];

    private readonly Family family;
    private readonly WeightSource source;
    private readonly string prefix;

    /// <summary>Looks what stands before the family's own names.</summary>
    /// <exception cref="ModelFormatException">The checkpoint holds no model of the family.</exception>
    internal CheckpointNames(Family family, WeightSource source, TransformerConfig config)
    {
        (this.family, this.source) = (family, source);
        Gguf = source.Gguf is null ? null : new GgufTensors(family, config, source);
        prefix = Gguf is null ? FindPrefix() : "";
    }

    /// <summary>The tensors of GGUF files; null where the checkpoint is another.</summary>
    internal GgufTensors? Gguf { get; }

    /// <summary>How the checkpoint keeps a parameter that is not quantised.</summary>
    internal StoredLayout LayoutOf(Parameter parameter) => Gguf is not null
        && parameter.Layout == StoredLayout.Transposed ? StoredLayout.Matrix : parameter.Layout;

    /// <summary>Numbers of a parameter in that layout, from any of them on.</summary>
    internal void ReadAs(Parameter parameter, StoredTensor tensor, Span<float> values, long first)
    {
        if (Gguf is not null) Gguf.ReadAs(parameter, tensor, values, first);
        else source.ReadAs(tensor.Name, values, first);
    }

    private string Backbone => family.Names.Under("");

    /// <summary>The tensor of a parameter, or null.</summary>
    internal StoredTensor? Find(string parameter)
    {
        var end = parameter.LastIndexOf('.');
        return Find(parameter[..end], parameter[(end + 1)..]);
    }

    /// <summary>A tensor of a module, by what follows the module's name and a dot; or null.</summary>
    internal StoredTensor? Find(string module, string ending)
    {
        if (Gguf is not null) return Gguf.Find(module, ending);
        var parameter = $"{module}.{ending}";
        var isBackbone = family.Names.IsInBackbone(parameter);
        var outer = prefix.EndsWith(Backbone, StringComparison.Ordinal) ? prefix[..^Backbone.Length] : prefix;
        foreach (var spelling in Spellings(module, ending))
        {
            var name = isBackbone ? prefix + spelling[Backbone.Length..] : outer + spelling;
            if ((source.Find(name) ?? source.Find(OldSpelling(name))) is { } stored) return stored;
        }
        return isBackbone ? null : Spellings(module, ending).Select(source.Find).FirstOrDefault(t => t is not null);
    }

    // The token embedding is there in nearly every checkpoint (a tied head may stand for it); what stands before its
    // own name is the file's prefix.
    private string FindPrefix()
    {
        var own = $"{family.Names.Under(family.Names.TokenEmbedding)}.weight";
        if (KnownPrefix(own) is { } known) return known;
        var relative = "." + own[Backbone.Length..];
        var found = source.Tensors.Where(t => t.Name.EndsWith(relative, StringComparison.Ordinal)).ToList();
        if (found.Count == 1) return found[0].Name[..^(relative.Length - 1)];
        return (family.Names.FinalNorm is { } norm ? KnownPrefix($"{family.Names.Under(norm)}.weight") : null)
            ?? throw new ModelFormatException($"The checkpoint has no token embedding '{own}'.", source.Path,
                $"It is not a {family.ModelType} model, or its weights have names that are not known.");
    }

    private string? KnownPrefix(string parameter)
    {
        foreach (var known in KnownPrefixes)
        foreach (var name in Spellings(parameter[..parameter.LastIndexOf('.')],
            parameter[(parameter.LastIndexOf('.') + 1)..]))
        {
            if (source.Contains(known + name)) return known + Backbone;
            if (source.Contains(known + name[Backbone.Length..])) return known;
        }
        return null;
    }

    private IEnumerable<string> Spellings(string module, string ending) =>
        family.StoredNames.TryGetValue(module, out var stored)
            ? [$"{module}.{ending}", .. stored.Select(other => $"{other}.{ending}")] : [$"{module}.{ending}"];

    // BERT checkpoints converted from TensorFlow call a norm's weight gamma and its bias beta.
    private static string OldSpelling(string name) => name
        .Replace("LayerNorm.weight", "LayerNorm.gamma", StringComparison.Ordinal)
        .Replace("LayerNorm.bias", "LayerNorm.beta", StringComparison.Ordinal);
}
