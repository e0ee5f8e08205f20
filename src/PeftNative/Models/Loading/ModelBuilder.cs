using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Models.Loading;

/// <summary>Builds the module tree of a config, with parameters that have memory but no numbers yet.</summary>
internal sealed class ModelBuilder(
    IBackend backend, TransformerConfig config, ModelTask task, int outputs, Arena weights,
    QuantizationOptions? quantization, Func<Parameter, bool>? isStoredQuantized = null, bool keepsConv1D = false)
{
    private readonly Family family = FamilyTable.Find(config.ModelType, "config.json").For(task);
    private readonly List<Parameter> parameters = [];
    private readonly List<(Parameter Parameter, DType Type)> dense = []; // those that are not quantised
    private readonly List<LinearSite> linears = [];
    private readonly List<ModuleInfo> modules = [];
    private int depth = -1;
    private int? layer; // null outside the stacks

    private ModuleNames Names => family.Names;

    /// <summary>Builds the tree; the model takes over the arena.</summary>
    internal TransformerModel Build()
    {
        var embedding = Embedding();
        var encoder = config.Encoder is { } inner && Names.Encoder is { } innerNames
            ? Stack(inner, innerNames, isEncoder: true) : null;
        var encoderNorm = encoder is null ? null : Norm(Names.Under(Names.Encoder!.FinalNorm!), ModuleRole.FinalNorm);
        var decoder = Stack(config, Names, isEncoder: false);
        depth++;
        var finalNorm = Names.FinalNorm is { } n ? Norm(Names.Under(n), ModuleRole.FinalNorm) : null;
        var pooler = task == ModelTask.SequenceClassification && Names.Pooler is { } p
            ? Linear(p, ModuleRole.Pooler, config.HiddenSize, config.HiddenSize, hasBias: true, conv1D: false) : null;
        var head = new ModelHead(
            finalNorm, pooler, Names.PoolerActivation, Output(embedding.Table), config.HiddenSize,
            config.FinalSoftCap, task == ModelTask.FeatureExtraction ? 1 : config.HeadScale);
        AllocateValues();
        return new TransformerModel(backend, family, config, task, weights)
        {
            Embedding = embedding, Encoder = encoder, EncoderNorm = encoderNorm, Decoder = decoder,
            Blocks = [.. encoder?.Blocks ?? [], .. decoder.Blocks], Head = head,
            Parameters = parameters, Linears = linears, Modules = modules, Quantization = quantization,
        };
    }

    private EmbeddingSite Embedding()
    {
        var width = config.HiddenSize;
        var table = Table(Names.Under(Names.TokenEmbedding), ModuleRole.TokenEmbedding, config.VocabularySize, width);
        var positions = Names.PositionEmbedding is { } p
            ? Table(Names.Under(p), ModuleRole.PositionEmbedding, config.MaxPositions + TableMargin, width) : null;
        var types = Names.TypeEmbedding is { } t
            ? Table(Names.Under(t), ModuleRole.TypeEmbedding, config.TypeVocabularySize, width) : null;
        var norm = Names.EmbeddingNorm is { } n ? Norm(Names.Under(n), ModuleRole.EmbeddingNorm) : null;
        return new EmbeddingSite(Names.Under(Names.TokenEmbedding), config, table, positions, types, norm);
    }

    // OPT's table has two rows more than positions; RoBERTa counts its margin among them.
    private int TableMargin => Names.HasPositionMargin ? config.PositionOffset : 0;

    private BlockStack Stack(TransformerConfig stack, ModuleNames names, bool isEncoder)
    {
        var blocks = new List<SubBlock>();
        Parameter? relativeBias = null;
        for (var i = 0; i < stack.LayerCount; i++)
        {
            layer = i;
            var prefix = names.LayerPath(i) + ".";
            var attention = Attention(stack, names, prefix, Next(SubBlockKind.Attention), ref relativeBias);
            blocks.Add(attention);
            if (names.Cross is { } cross)
                blocks.Add(CrossAttention(stack, cross, prefix, Next(SubBlockKind.CrossAttention)));
            blocks.Add(FeedForward(stack, names, prefix, Next(SubBlockKind.FeedForward), attention.Norm));

            SubBlockPlace Next(SubBlockKind kind) => new(++depth, i, kind, isEncoder);
        }
        layer = null;
        return new BlockStack([.. blocks], stack.ParallelResidual);
    }

    private AttentionBlock Attention(TransformerConfig stack, ModuleNames names, string prefix, SubBlockPlace place,
        ref Parameter? relativeBias)
    {
        int d = stack.HiddenSize, q = stack.QuerySize, kv = stack.KvSize;
        LinearSite Project(ModuleRole role, string name, int to, int from, bool hasBias) =>
            Linear(prefix + name, role, to, from, hasBias, names.Conv1D);
        LinearSite[] inputs = names.FusedQkv is { } fused
            ? [Project(ModuleRole.FusedQkv, fused, q + 2 * kv, d, stack.AttentionBias)]
            : [
                Project(ModuleRole.Query, names.Query, q, d, stack.AttentionBias),
                Project(ModuleRole.Key, names.Key, kv, d, stack.AttentionBias),
                Project(ModuleRole.Value, names.Value, kv, d, stack.AttentionBias),
            ];
        var output = Project(ModuleRole.AttentionOutput, names.AttentionOutput, d, q, stack.AttentionOutputBias);
        if (names.RelativeBias is { } bias && place.Layer == 0)
            relativeBias = Table(prefix + bias, ModuleRole.RelativeBias, stack.RelativeBuckets, stack.HeadCount,
                backend.ParameterType);
        var hasInputNorm = stack.NormPlacement != NormPlacement.Output;
        var parts = new AttentionParts(
            Optional(prefix, hasInputNorm ? names.AttentionNorm : null, ModuleRole.AttentionNorm),
            Optional(prefix, names.AttentionPostNorm, ModuleRole.AttentionPostNorm), inputs, output,
            HeadNorm(names.QueryNorm, ModuleRole.QueryNorm, q), HeadNorm(names.KeyNorm, ModuleRole.KeyNorm, kv),
            relativeBias);
        return new AttentionBlock(stack, place, parts, names.FusedByHead);

        NormSite? HeadNorm(string? name, ModuleRole role, int columns) => Optional(prefix,
            stack.NormalizesHeads ? name : null, role, stack.NormalizesHeadsTogether ? columns : stack.HeadDim);
    }

    private CrossAttentionBlock CrossAttention(TransformerConfig stack, CrossAttentionNames names, string prefix,
        SubBlockPlace place)
    {
        int d = stack.HiddenSize, q = stack.QuerySize, kv = stack.KvSize;
        LinearSite Project(ModuleRole role, string name, int to, int from, bool hasBias) =>
            Linear(prefix + name, role, to, from, hasBias, Names.Conv1D);
        var query = Project(ModuleRole.Query, names.Query, q, d, stack.AttentionBias);
        var key = Project(ModuleRole.Key, names.Key, kv, d, stack.AttentionBias);
        var value = Project(ModuleRole.Value, names.Value, kv, d, stack.AttentionBias);
        var output = Project(ModuleRole.AttentionOutput, names.Output, d, q, stack.AttentionOutputBias);
        return new CrossAttentionBlock(stack, place,
            new CrossAttentionParts(Norm(prefix + names.Norm, ModuleRole.CrossNorm), query, key, value, output));
    }

    private FeedForwardBlock FeedForward(TransformerConfig stack, ModuleNames names, string prefix, SubBlockPlace place,
        NormSite? attentionNorm)
    {
        int d = stack.HiddenSize, f = stack.FeedForwardSize;
        LinearSite Project(ModuleRole role, string name, int to, int from) =>
            Linear(prefix + name, role, to, from, stack.FeedForwardBias, names.Conv1D);
        var gate = stack.Gated && names.Gate is { } g ? Project(ModuleRole.Gate, g, f, d) : null;
        var up = names.FusedGateUp is { } fused ? Project(ModuleRole.FusedGateUp, fused, 2 * f, d)
            : Project(ModuleRole.Up, gate is null ? names.Up : names.GatedUp ?? names.Up, f, d);
        var down = Project(ModuleRole.Down, names.Down, d, f);
        var norm = stack.SharesNorm || stack.NormPlacement == NormPlacement.Output ? attentionNorm
            : Norm(prefix + names.FeedForwardNorm, ModuleRole.FeedForwardNorm);
        return new FeedForwardBlock(stack, place, new FeedForwardParts(norm,
            Optional(prefix, names.FeedForwardPostNorm, ModuleRole.FeedForwardPostNorm), gate, up, down));
    }

    private NormSite? Optional(string prefix, string? name, ModuleRole role, int? width = null) => name is null
        ? null : Norm(prefix + name, role, width);

    private LinearSite? Output(Parameter table)
    {
        if (task == ModelTask.FeatureExtraction) return null;
        if (task.Classifies())
        {
            if (!family.HasClassifiers)
                throw new UsageException($"A {config.ModelType} model has no classifier: transformers has none either.",
                    remedy: "Use --task causal_lm, or a base of another family.");
            var isToken = task == ModelTask.TokenClassification;
            return Linear(isToken ? Names.TokenHead : Names.SequenceHead, ModuleRole.Head, outputs, config.HiddenSize,
                isToken ? Names.HeadBias.Token : Names.HeadBias.Sequence, conv1D: false);
        }
        var path = Names.LanguageModelHead
            ?? throw new UsageException($"A {config.ModelType} model has no language model head.",
            remedy: "Use --task sequence_classification or token_classification.");
        return config.IsTied
            ? Register(path, ModuleRole.Head, new Parameter($"{path}.weight", table.Rows, table.Columns,
                StoredLayout.Matrix) { Depth = depth, TiedTo = table }, null)
            : Linear(path, ModuleRole.Head, config.VocabularySize, config.HiddenSize, Names.LanguageModelBias,
                conv1D: false);
    }

    private LinearSite Linear(string path, ModuleRole role, int to, int from, bool hasBias, bool conv1D)
    {
        // Checkpoints keep a quantised weight as [out, in], whatever they do with others; in GGUF files all are so, and
        // adapters shall be those of the model that was converted.
        var layout = conv1D ? StoredLayout.Transposed : StoredLayout.Matrix;
        var isStored = isStoredQuantized?.Invoke(new Parameter($"{path}.weight", to, from, layout)) ?? false;
        var weight = Add($"{path}.weight", to, from, isStored && !keepsConv1D ? StoredLayout.Matrix : layout,
            denseLayout: layout, isQuantized: isStored || layer is not null && (quantization?.Covers(path) ?? false));
        return Register(path, role, weight, hasBias ? Add($"{path}.bias", 1, to, StoredLayout.Vector) : null);
    }

    private LinearSite Register(string path, ModuleRole role, Parameter weight, Parameter? bias)
    {
        if (weight.TiedTo is not null) Number(weight);
        var site = new LinearSite(linears.Count, path, role, layer, weight, bias);
        linears.Add(site);
        modules.Add(new ModuleInfo(path, site.IsConv1D ? ModuleKind.Conv1D : ModuleKind.Linear, role, layer, site));
        return site;
    }

    private NormSite Norm(string path, ModuleRole role, int? width = null)
    {
        modules.Add(new ModuleInfo(path, ModuleKind.Norm, role, layer, null));
        var columns = width ?? config.HiddenSize;
        return new NormSite(path, config, Add($"{path}.weight", 1, columns, StoredLayout.Vector),
            config.Norm == NormKind.LayerNorm ? Add($"{path}.bias", 1, columns, StoredLayout.Vector) : null);
    }

    private Parameter Table(string path, ModuleRole role, int rows, int columns, DType? type = null)
    {
        modules.Add(new ModuleInfo(path, ModuleKind.Embedding, role, layer, null));
        return Add($"{path}.weight", rows, columns, StoredLayout.Matrix, type);
    }

    // The numbers of a quantised parameter get their memory when they are known.
    private Parameter Add(string name, int rows, int columns, StoredLayout layout, DType? type = null,
        bool isQuantized = false, StoredLayout? denseLayout = null)
    {
        var parameter =
            new Parameter(name, rows, columns, layout) { Depth = depth, DenseLayout = denseLayout ?? layout };
        type ??= layout == StoredLayout.Vector ? backend.ParameterType : backend.ComputeType;
        if (!isQuantized) dense.Add((parameter, type.Value));
        Number(parameter);
        return parameter;
    }

    // In as few blocks as may be: a processor finds its way faster in large ones, which lie on large pages.
    private void AllocateValues()
    {
        const long MostInOne = 1L << 30;
        for (var i = 0; i < dense.Count;)
        {
            var (last, bytes) = (i, 0L);
            while (last < dense.Count && (last == i || bytes + Size(last) <= MostInOne)) bytes += Size(last++);
            weights.Reserve(bytes);
            for (; i < last; i++)
                dense[i].Parameter.Value = weights.Allocate(dense[i].Type, dense[i].Parameter.Rows,
                    dense[i].Parameter.Columns);
        }

        long Size(int i) => Arena.BytesOf(dense[i].Type, dense[i].Parameter.Rows, dense[i].Parameter.Columns);
    }

    private void Number(Parameter parameter)
    {
        parameter.Index = parameters.Count;
        parameters.Add(parameter);
    }
}
