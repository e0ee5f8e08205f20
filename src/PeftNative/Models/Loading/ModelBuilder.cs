using PeftNative.Models.Families;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Loading;

/// <summary>Builds the module tree of a config, with parameters that have memory but no numbers yet.</summary>
internal sealed class ModelBuilder(IBackend backend, TransformerConfig config, ModelTask task, int outputs, Arena weights)
{
    private readonly Family family = FamilyTable.Find(config.ModelType, "config.json");
    private readonly List<Parameter> parameters = [];
    private readonly List<LinearSite> linears = [];
    private readonly List<ModuleInfo> modules = [];
    private int depth = -1;

    private ModuleNames Names => family.Names;

    /// <summary>Builds the tree; the model takes over the arena.</summary>
    internal TransformerModel Build()
    {
        var embedding = Embedding();
        var blocks = Enumerable.Range(0, config.LayerCount).SelectMany(Layer).ToArray();
        depth = 2 * config.LayerCount;
        var finalNorm = Names.FinalNorm is { } n ? Norm($"{Names.Backbone}.{n}") : null;
        var pooler = task == ModelTask.SequenceClassification && Names.Pooler is { } p
            ? Linear(p, config.HiddenSize, config.HiddenSize, hasBias: true, conv1D: false) : null;
        var head = new ModelHead(finalNorm, pooler, Names.PoolerActivation, Output(embedding.Table), config.FinalSoftCap);
        return new TransformerModel(backend, family, config, task, weights)
        {
            Embedding = embedding, Blocks = blocks, Head = head, Parameters = parameters, Linears = linears, Modules = modules,
        };
    }

    private EmbeddingSite Embedding()
    {
        var table = Table(Names.TokenEmbedding, config.VocabularySize);
        var positions = Names.PositionEmbedding is { } p ? Table(p, config.MaxPositions + TableMargin) : null;
        var types = Names.TypeEmbedding is { } t ? Table(t, config.TypeVocabularySize) : null;
        var norm = Names.EmbeddingNorm is { } n ? Norm($"{Names.Backbone}.{n}") : null;
        return new EmbeddingSite($"{Names.Backbone}.{Names.TokenEmbedding}", config, table, positions, types, norm);
    }

    // OPT's table has two rows more than positions; RoBERTa counts its margin among them.
    private int TableMargin => Names.HasPositionMargin ? config.PositionOffset : 0;

    private SubBlock[] Layer(int layer)
    {
        var prefix = $"{Names.Backbone}.{string.Format(System.Globalization.CultureInfo.InvariantCulture, Names.Layer, layer)}.";
        LinearSite Project(string name, int to, int from, bool hasBias) =>
            Linear(prefix + name, to, from, hasBias, Names.Conv1D);

        depth = 2 * layer;
        int d = config.HiddenSize, f = config.FeedForwardSize, q = config.QuerySize, kv = config.KvSize;
        LinearSite[] inputs = Names.FusedQkv is { } fused
            ? [Project(fused, q + 2 * kv, d, config.AttentionBias)]
            : [
                Project(Names.Query, q, d, config.AttentionBias), Project(Names.Key, kv, d, config.AttentionBias),
                Project(Names.Value, kv, d, config.AttentionBias),
            ];
        var output = Project(Names.AttentionOutput, d, q, config.AttentionOutputBias);
        var attention = new AttentionParts(Norm(prefix + Names.AttentionNorm), Optional(prefix, Names.AttentionPostNorm), inputs, output,
            Optional(prefix, Names.QueryNorm, config.HeadDim), Optional(prefix, Names.KeyNorm, config.HeadDim));

        depth++;
        var gate = Names.Gate is { } g ? Project(g, f, d, config.FeedForwardBias) : null;
        var up = Names.FusedGateUp is { } fusedUp
            ? Project(fusedUp, 2 * f, d, config.FeedForwardBias) : Project(Names.Up, f, d, config.FeedForwardBias);
        var down = Project(Names.Down, d, f, config.FeedForwardBias);
        var feedForward = new FeedForwardParts(
            Norm(prefix + Names.FeedForwardNorm), Optional(prefix, Names.FeedForwardPostNorm), gate, up, down);
        return [new AttentionBlock(config, layer, attention, Names.FusedByHead), new FeedForwardBlock(config, layer, feedForward)];
    }

    private NormSite? Optional(string prefix, string? name, int? width = null) => name is null ? null : Norm(prefix + name, width);

    private LinearSite Output(Parameter table)
    {
        if (task != ModelTask.CausalLm)
        {
            var isToken = task == ModelTask.TokenClassification;
            return Linear(isToken ? Names.TokenHead : Names.SequenceHead, outputs, config.HiddenSize,
                isToken ? Names.HeadBias.Token : Names.HeadBias.Sequence, conv1D: false);
        }
        var path = Names.LanguageModelHead ?? throw new UsageException($"A {config.ModelType} model has no language model head.",
            remedy: "Use --task sequence_classification or token_classification.");
        return config.TieWordEmbeddings
            ? Register(path, new Parameter($"{path}.weight", table.Rows, table.Columns, StoredLayout.Matrix) { Depth = depth, TiedTo = table }, null)
            : Linear(path, config.VocabularySize, config.HiddenSize, hasBias: false, conv1D: false);
    }

    private LinearSite Linear(string path, int to, int from, bool hasBias, bool conv1D)
    {
        var weight = Add($"{path}.weight", to, from, conv1D ? StoredLayout.Transposed : StoredLayout.Matrix);
        return Register(path, weight, hasBias ? Add($"{path}.bias", 1, to, StoredLayout.Vector) : null);
    }

    private LinearSite Register(string path, Parameter weight, Parameter? bias)
    {
        if (weight.TiedTo is not null) Number(weight);
        var site = new LinearSite(linears.Count, path, depth, weight, bias);
        linears.Add(site);
        modules.Add(new ModuleInfo(path, site.IsConv1D ? ModuleKind.Conv1D : ModuleKind.Linear, site));
        return site;
    }

    private NormSite Norm(string path, int? width = null)
    {
        modules.Add(new ModuleInfo(path, ModuleKind.Norm, null));
        var columns = width ?? config.HiddenSize;
        return new NormSite(path, config, Add($"{path}.weight", 1, columns, StoredLayout.Vector),
            config.Norm == NormKind.LayerNorm ? Add($"{path}.bias", 1, columns, StoredLayout.Vector) : null);
    }

    private Parameter Table(string name, int rows)
    {
        var path = $"{Names.Backbone}.{name}";
        modules.Add(new ModuleInfo(path, ModuleKind.Embedding, null));
        return Add($"{path}.weight", rows, config.HiddenSize, StoredLayout.Matrix);
    }

    private Parameter Add(string name, int rows, int columns, StoredLayout layout)
    {
        var parameter = new Parameter(name, rows, columns, layout) { Depth = depth };
        parameter.Value = weights.Allocate(layout == StoredLayout.Vector ? backend.ParameterType : backend.ComputeType, rows, columns);
        Number(parameter);
        return parameter;
    }

    private void Number(Parameter parameter)
    {
        parameter.Index = parameters.Count;
        parameters.Add(parameter);
    }
}
