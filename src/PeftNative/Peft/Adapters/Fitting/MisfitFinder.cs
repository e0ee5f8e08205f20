using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Weights;

namespace PeftNative.Peft.Adapters.Fitting;

/// <summary>Finds out why an adapter that cannot be loaded does not fit a model, the likeliest reason first.</summary>
internal sealed class MisfitFinder
{
    private const int MostNamed = 4;

    private readonly TransformerModel model;
    private readonly string folder;
    private readonly IReadOnlyList<StoredTensor> tensors;
    private readonly List<(string Module, string Pattern)> modules;

    private MisfitFinder(TransformerModel model, string folder, IReadOnlyList<StoredTensor> tensors)
    {
        (this.model, this.folder, this.tensors) = (model, folder, tensors);
        modules = [.. tensors.Select(FileModules.Of).Distinct().Select(m => (m, FileModules.Pattern(m)))];
    }

    /// <summary>The reason.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The adapter.</param>
    /// <param name="file">Its tensors, where they can be opened.</param>
    /// <param name="misshapen">Tensors of another shape than their parameters.</param>
    internal static Misfit Find(TransformerModel model, string folder, TensorFile? file,
        IReadOnlyList<(StoredTensor Tensor, Parameter Parameter)> misshapen)
    {
        var finder = new MisfitFinder(model, folder, file is null ? [] : [.. file.Tensors]);
        return finder.OtherFamily() ?? finder.ResizedVocabulary(file) ?? finder.OtherHead()
            ?? finder.OtherSizes(misshapen)
            ?? finder.OtherWeights() ?? finder.NewerFormat() ?? new(AdapterMisfit.Incomplete, Disagreement(misshapen));
    }

    // By the names of its modules: families that share them are told apart by sizes, if at all.
    private Misfit? OtherFamily()
    {
        var patterns = modules.Select(m => m.Pattern).Where(p => p.Split('.').Contains(FileModules.Number)).Distinct()
            .ToList();
        var names = model.Family.Names;
        if (patterns.Count == 0 || 2 * patterns.Count(IsOwn) >= patterns.Count) return null;
        var families = Families(isHeadless: false) is { Count: > 0 } found ? found : Families(isHeadless: true);
        return new(AdapterMisfit.OtherFamily, $"it was made for another family, whose modules are named {patterns[0]}, "
            + (families.Count == 0 ? "as in none that is known here" : $"as in {Listed(families)}"));

        // An adapter of a model without a head has names without what stands around it.
        bool IsOwn(string pattern) => FileModules.Has(names, pattern) || FileModules.Has(names, pattern, true);
        List<string> Families(bool isHeadless) => [.. FamilyTable.BestKnownFirst
            .Where(f => patterns.All(p => FileModules.Has(f.Names, p, isHeadless))).Select(f => f.ModelType)];
    }

    private Misfit? ResizedVocabulary(TensorFile? file) => file is not null && AdapterVocabulary.IsLarger(file, model)
        ? new(AdapterMisfit.ResizedVocabulary,
            $"its vocabulary was resized, beyond the {model.Config.VocabularySize} tokens of this one") : null;

    private Misfit? OtherHead()
    {
        var names = model.Family.Names;
        foreach (var tensor in tensors)
        {
            var module = FileModules.Of(tensor);
            var isHead = new[] { names.SequenceHead, names.TokenHead, "classifier", "score", "qa_outputs" }
                .Any(head => module == head || module.StartsWith(head + ".", StringComparison.Ordinal));
            if (!isHead || module == names.LanguageModelHead) continue;
            var part = tensor.Name[(tensor.Name.LastIndexOf('.') + 1)..];
            var own = model.Parameters.FirstOrDefault(p => p.Name == $"{module}.{part}");
            if (own is null && model.Task.WritesText())
                return new(AdapterMisfit.OtherHead, $"it brings the head {module}, and this model writes texts");
            if (own is not null && !tensor.Shape.AsSpan().SequenceEqual(own.StoredShape))
                return new(AdapterMisfit.OtherHead, $"its head {module} has {tensor.Shape[0]} outputs, "
                    + $"this model's {own.StoredShape[0]}");
        }
        var task = ModelTasks.FromPeft(Settings?.GetOptionalString("task_type"));
        return task is not null && task != model.Task
            ? new(AdapterMisfit.OtherHead, $"it is for {task.Value.PeftName()}, this model for {model.Task.PeftName()}")
            : null;
    }

    private Misfit? OtherSizes(IReadOnlyList<(StoredTensor Tensor, Parameter Parameter)> misshapen)
    {
        foreach (var (tensor, parameter) in misshapen)
            if (Width(tensor, parameter.StoredShape) is ({ } there, { } here))
                return new(AdapterMisfit.OtherBase,
                    $"it was made for another base, {there} wide at {FileModules.Of(tensor)} where this one is {here}");
        var layers = model.Config.LayerCount;
        var last = modules.Max(m => FileModules.LayerOf(m.Module));
        if (model.Config.Encoder is not null || last is null) return null;
        return last >= layers ? new(AdapterMisfit.OtherBase,
            $"it was made for another base, with a layer {last} where this one has {layers}") : null;
    }

    private Misfit? OtherWeights() => model.Folder is { } own && BaseIdentity.IsOther(folder, own, model.Merged)
        ? new(AdapterMisfit.OtherBase, BaseIdentity.Mismatch(folder, own, model.Merged)!) : null;

    private Misfit? NewerFormat()
    {
        if (Settings is not { } json) return null;
        var version = json.GetOptionalString("peft_version");
        return IsNewer(version) ? new(AdapterMisfit.NewerFormat,
            $"PEFT {Message.Clip(version!)} wrote it, and {AdapterConfig.FormatVersion} is the last that is known here")
            : null;
    }

    /// <summary>Whether a release of PEFT is later than the one whose files are known.</summary>
    internal static bool IsNewer(string? release) =>
        Version.TryParse(release?.Split('@', '.', 'd', 'r') is { Length: >= 3 } parts
            ? string.Join('.', parts.Take(3)) : null, out var version)
        && version > Version.Parse(AdapterConfig.FormatVersion);

    private StrictObject? Settings => File.Exists(Path.Combine(folder, AdapterFiles.ConfigName))
        ? StrictJson.ReadFile(Path.Combine(folder, AdapterFiles.ConfigName)) : null;

    // The size that the base decides; the other one of a pair is a setting of the adapter.
    private static (long? There, long? Here) Width(StoredTensor tensor, long[] expected)
    {
        if (tensor.Shape.Length != expected.Length || IsTurned(tensor, expected)) return default;
        for (var i = 0; i < expected.Length; i++)
            if (i != InnerOf(tensor) && tensor.Shape[i] != expected[i]) return (tensor.Shape[i], expected[i]);
        return default;
    }

    private static string Disagreement(IReadOnlyList<(StoredTensor Tensor, Parameter Parameter)> misshapen)
    {
        if (misshapen.Any(m => IsTurned(m.Tensor, m.Parameter.StoredShape))) return "its matrices are turned round";
        foreach (var (tensor, parameter) in misshapen)
            if (InnerOf(tensor) is { } inner && inner < Math.Min(tensor.Shape.Length, parameter.StoredShape.Length))
                return $"its tensors have {tensor.Shape[inner]} where its settings ask for "
                    + $"{parameter.StoredShape[inner]}";
        return "its tensors are not those that its settings ask for";
    }

    private static bool IsTurned(StoredTensor tensor, long[] expected) =>
        tensor.Shape.Length == 2 && expected.Length == 2 && tensor.Shape[0] != tensor.Shape[1]
        && (tensor.Shape[0], tensor.Shape[1]) == (expected[1], expected[0]);

    private static int? InnerOf(StoredTensor tensor) =>
        tensor.Name.Split('.').LastOrDefault(Inner.ContainsKey) is { } part ? Inner[part] : null;

    // Which size of a tensor is the rank, the number of virtual tokens, the width of the bottleneck.
    private static readonly Dictionary<string, int> Inner = new()
    {
        ["lora_A"] = 0, ["lora_B"] = 1, ["lora_embedding_A"] = 0, ["lora_embedding_B"] = 1, ["adapter_down"] = 0,
        ["adapter_up"] = 1, ["prompt_embeddings"] = 0,
    };

    private static string Listed(List<string> names) => string.Join(", ", names.Take(MostNamed))
        + (names.Count > MostNamed ? $" and {names.Count - MostNamed} more" : "");
}
