using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Weights;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// Finds a family's parameters in a GGUF file, where they have names of its own, and undoes what llama.cpp's converter
/// does to their numbers: it pairs the rows of Llama's queries and keys, adds one to Gemma's norms, and turns Conv1D
/// round. Thread-safe.
/// </summary>
internal sealed class GgufTensors
{
    private readonly TransformerConfig config;
    private readonly WeightSource source;
    private readonly Dictionary<string, (string Name, ModuleRole Role)> modules = [];
    private readonly bool arePaired, areNormsPlusOne;

    internal GgufTensors(Family family, TransformerConfig config, WeightSource source)
    {
        (this.config, this.source) = (config, source);
        arePaired = family.Gguf?.Rows == GgufRows.RotaryPairs;
        areNormsPlusOne = config.NormGammaOffset == 1;
        var names = family.Names;
        Add(names.Under, null, (ModuleRole.TokenEmbedding, names.TokenEmbedding),
            (ModuleRole.PositionEmbedding, names.PositionEmbedding), (ModuleRole.FinalNorm, names.FinalNorm));
        Add(name => name, null, (ModuleRole.Head, names.LanguageModelHead));
        for (var i = 0; i < config.LayerCount; i++)
        {
            var path = names.LayerPath(i);
            Add(name => $"{path}.{name}", i, (ModuleRole.AttentionNorm, names.AttentionNorm),
                (ModuleRole.AttentionPostNorm, names.AttentionPostNorm), (ModuleRole.FusedQkv, names.FusedQkv),
                (ModuleRole.Query, names.Query), (ModuleRole.Key, names.Key), (ModuleRole.Value, names.Value),
                (ModuleRole.QueryNorm, names.QueryNorm), (ModuleRole.KeyNorm, names.KeyNorm),
                (ModuleRole.AttentionOutput, names.AttentionOutput),
                (ModuleRole.FeedForwardNorm, names.FeedForwardNorm),
                (ModuleRole.FeedForwardPostNorm, names.FeedForwardPostNorm), (ModuleRole.Gate, names.Gate),
                (ModuleRole.FusedGateUp, names.FusedGateUp), (ModuleRole.Up, names.Up), (ModuleRole.Down, names.Down));
        }
    }

    /// <summary>A tensor of a module, or null.</summary>
    internal StoredTensor? Find(string module, string ending) =>
        ending is "weight" or "bias" && modules.TryGetValue(module, out var found)
            ? source.Find($"{found.Name}.{ending}") : null;

    /// <summary>
    /// Whether a tensor has its place without being a parameter's: it was read with the description of the model, or is
    /// the head of a base that does not write text.
    /// </summary>
    internal bool Knows(string tensor) => tensor == GgufArchitecture.Divisors ? config.Layers[0].Rope is not null
        : !config.Task!.Value.WritesText() && tensor == $"{GgufArchitecture.NameOf(ModuleRole.Head, null)}.weight";

    /// <summary>
    /// Makes sure that every tensor has a place: no key says which ones there are, so another may change what the model
    /// computes.
    /// </summary>
    /// <exception cref="ModelFormatException">One has none.</exception>
    internal void CheckUnused(IReadOnlyList<string> unused)
    {
        if (unused.Count > 0)
            throw new ModelFormatException(
                $"A {config.ModelType} model has no place for {unused.Count} tensors of the file, the first being "
                + $"{unused[0]}; what they mean there is not known.",
                Message.At(source.FileOf(unused[0]).Path, unused[0]),
                "llama.cpp refuses such a file too; convert the model again, or take its safetensors.");
    }

    /// <summary>Numbers of a parameter in the engine's order, from any of them on.</summary>
    internal void ReadAs(Parameter parameter, StoredTensor tensor, Span<float> values, long first)
    {
        // The bias of a projection is permuted as its rows are.
        var width = parameter.Layout == StoredLayout.Vector ? 1 : parameter.Columns;
        if (!IsPaired(parameter)) source.ReadAs(tensor.Name, values, first);
        else
            for (var done = 0; done < values.Length;)
            {
                var (row, column) = Math.DivRem(first + done, width);
                var part = values.Slice(done, (int)Math.Min(width - column, values.Length - done));
                source.ReadAs(tensor.Name, part, FileRow(row) * width + column);
                done += part.Length;
            }
        if (!areNormsPlusOne || !IsNorm(RoleOf(parameter))) return;
        foreach (ref var value in values) value -= 1;
    }

    /// <summary>The bytes of a matrix of blocks in the engine's order of rows, which are whole blocks.</summary>
    internal ReadOnlySpan<byte> Blocks(Parameter parameter, StoredTensor tensor)
    {
        var bytes = source.Bytes(tensor.Name);
        if (!IsPaired(parameter)) return bytes;
        var (moved, width) = (new byte[bytes.Length], bytes.Length / parameter.Rows);
        for (var row = 0; row < parameter.Rows; row++)
            bytes.Slice((int)FileRow(row) * width, width).CopyTo(moved.AsSpan(row * width, width));
        return moved;
    }

    // Rows 2p and 2p + 1 of a head in the file are its rows p and p + half.
    private long FileRow(long row)
    {
        var (head, p) = Math.DivRem(row, config.HeadDim);
        var half = config.HeadDim / 2;
        return head * config.HeadDim + (p < half ? 2 * p : 2 * (p - half) + 1);
    }

    /// <summary>Whether the file has the rows in another order.</summary>
    internal bool IsPaired(Parameter parameter) => arePaired && RoleOf(parameter) is ModuleRole.Query or ModuleRole.Key;

    private ModuleRole RoleOf(Parameter parameter) => modules[parameter.Module].Role;

    private static bool IsNorm(ModuleRole role) => role is ModuleRole.AttentionNorm or ModuleRole.AttentionPostNorm
        or ModuleRole.QueryNorm or ModuleRole.KeyNorm or ModuleRole.FeedForwardNorm or ModuleRole.FeedForwardPostNorm
        or ModuleRole.FinalNorm;

    private void Add(Func<string, string> path, int? layer, params (ModuleRole Role, string? Name)[] parts)
    {
        foreach (var (role, name) in parts)
            if (name is { Length: > 0 } && GgufArchitecture.NameOf(role, layer) is { } stored)
                modules.TryAdd(path(name), (stored, role));
    }
}
