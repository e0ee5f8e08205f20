using System.Globalization;
using System.Text.Json.Nodes;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Peft.Matching;
using PeftNative.Tensors;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// A small set of trained parameters for one model. The model stays as it is; a pass that lists the adapter computes
/// with it. Owns its memory. Not thread-safe while training; any number of passes may use one that is not being trained
/// or merged.
/// </summary>
public abstract class Adapter : AttachmentSet, IDisposable
{
    private readonly List<AdapterEntry> entries = [];
    private readonly List<string> warnings = [];
    private readonly Parameter?[] replacements;
    private IReadOnlyList<Parameter> trainables = [];
    private readonly List<AdapterEntry> carried = [];
    private Arena? carriedValues;
    private bool isDisposed;
    private string? bypassed, mark;

    /// <summary>Begins an adapter; derived classes add entries and then call <see cref="Allocate"/>.</summary>
    protected Adapter(TransformerModel model, AdapterConfig config, string name)
    {
        (Model, Config, Name) = (model, config, name);
        replacements = new Parameter?[model.Parameters.Count];
    }

    /// <inheritdoc/>
    public override string Name { get; }

    internal override bool IsDisposed => isDisposed;

    /// <summary>The model it was made for.</summary>
    public TransformerModel Model { get; }

    /// <summary>Its settings.</summary>
    public AdapterConfig Config { get; }

    /// <summary>Its parameters.</summary>
    public IReadOnlyList<AdapterEntry> Entries => entries;

    /// <summary>What its files hold: the parameters themselves, unless the method folds them into others.</summary>
    public virtual IReadOnlyList<AdapterEntry> StoredEntries => entries;

    /// <summary>
    /// Tensors of the base that its files hold with other values: in force with it, not trained, saved.
    /// </summary>
    internal IReadOnlyList<AdapterEntry> Carried => carried;

    /// <summary>Its settings files.</summary>
    public virtual IEnumerable<(string File, JsonObject Json)> Settings =>
        [(AdapterFiles.ConfigName, Config.ToJson())];

    /// <summary>A factor on everything that it adds; 1 as it was trained.</summary>
    /// <exception cref="UsageException">Its method knows no other.</exception>
    public virtual double Scale
    {
        get => 1;
        set
        {
            if (value != 1)
                throw new UsageException($"An adapter of the method {Config.PeftType} has no scale.",
                    remedy: "Leave the scale out.");
        }
    }

    /// <summary>What it is and where it acts, in a few words; null where its settings say all there is.</summary>
    public virtual string? Summary => null;

    /// <summary>Memory of values and gradients.</summary>
    public TrainableBuffer Buffer { get; private set; } = null!;

    /// <summary>Whether it has gradients.</summary>
    public bool IsTrainable => Buffer.Gradients.IsPresent;

    /// <summary>Whether it has been added into the model's weights.</summary>
    public bool IsMerged { get; private set; }

    /// <summary>
    /// Whether a model with it computes what the base alone does, but for rounding, as with an untrained adapter of a
    /// method that starts so. Reads parameters back from the backend.
    /// </summary>
    public bool ChangesNothing => IsIdle && Replaced().All(r => IsTheBases(Model.Parameters[r.Index], r.Copy));

    /// <summary>What was odd about the files it was read from, in sentences; empty when all is well.</summary>
    public IReadOnlyList<string> Warnings => warnings;

    /// <summary>What is odd about it on this model, in sentences; empty when all is well.</summary>
    public virtual IEnumerable<string> Doubts
    {
        get
        {
            var (embedding, head) = (Model.Embedding, Model.Head.Output);
            if (bypassed is not null)
                yield return $"what it has at {bypassed} changes nothing: the model reads copies of that, as in PEFT";
            if (IsMerged || head?.Weight.TiedTo is null) yield break;
            var changesEmbedding = AtEmbedding is not null || replacements[embedding.Table.Index] is not null;
            var changesHead = AtLinear(head.Index) is not null || replacements[head.Weight.Index] is not null;
            if (changesEmbedding != changesHead)
                yield return $"{embedding.Path} and {head.Path} are one matrix in the base; with this adapter they are "
                    + $"two, as only {(changesHead ? head.Path : embedding.Path)} is adapted";
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Trainables => trainables;

    /// <summary>Number of trained values.</summary>
    public long ParameterCount => entries.Sum(e => e.Parameter.Count);

    /// <summary>Number of values of model and adapter together, as PEFT counts them.</summary>
    public long TotalParameterCount => Model.ParameterCount + entries.Where(e => !e.ReplacesInPlace)
        .Sum(e => e.Parameter.Count);

    /// <inheritdoc/>
    public override Parameter? Replacement(int parameter) => replacements[parameter];

    /// <summary>Brings <see cref="StoredEntries"/> up to date with <see cref="Entries"/>, where they differ.</summary>
    public virtual void Fold()
    {
    }

    /// <summary>
    /// Where every parameter of the base is trained: gives the memory of the base's own values back, for training that
    /// never goes back to them. From then on the base has the trained values, with the adapter or without, and lives no
    /// longer than it. Otherwise nothing happens.
    /// </summary>
    public virtual void ReleaseBase()
    {
    }

    /// <summary>
    /// Adds the adapter into the model's weights; the adapter must not be listed in a pass until it is taken out again.
    /// Quantised weights that it changes are dequantised for good; a tied embedding and head of which it changes one,
    /// or each in its own way, are two matrices from then on.
    /// </summary>
    /// <exception cref="UsageException">The method cannot be merged, or the adapter already is.</exception>
    public void Merge() => Merge([this]);

    /// <summary>
    /// Merges adapters as they work together: copies take the place of the base's parameters, the last one's where
    /// several have one; low-rank changes and scales of all of them come on top.
    /// </summary>
    internal static void Merge(IReadOnlyList<Adapter> adapters, Action? onEach = null)
    {
        foreach (var adapter in adapters) adapter.RequireMergeable();
        foreach (var adapter in adapters) adapter.mark = AdapterDigest.OfMerged(adapter);
        foreach (var adapter in adapters)
            foreach (var (index, copy) in adapter.Replaced()) adapter.SwapValues(adapter.Model.Parameters[index], copy);
        foreach (var adapter in adapters)
        {
            adapter.MergeWeights();
            adapter.IsMerged = true;
            adapter.Model.Merged.Add(adapter.mark!);
            onEach?.Invoke();
        }
    }

    /// <summary>
    /// Where adapters that work together have copies of one module, of which only one can count: a sentence for each
    /// module.
    /// </summary>
    internal static IEnumerable<string> Clashes(IReadOnlyList<Adapter> adapters, IReadOnlyList<string> names)
    {
        var copies = adapters.SelectMany((a, i) => a.Replaced().Select(r => (a.Model.Parameters[r.Index].Module, i)));
        foreach (var module in copies.Distinct().GroupBy(c => c.Module, c => c.i).Where(g => g.Count() > 1))
            yield return $"{string.Join(" and ", module.Select(i => names[i]))} have a whole {module.Key} each; "
                + $"that of {names[module.Last()]} is used alone";
    }

    private void RequireMergeable()
    {
        if (IsMerged) throw new UsageException($"The adapter '{Name}' is merged already.");
        if (SharedHead is not null && Model.Head.Output?.Weight.TiedTo is null)
            throw new UsageException(
                $"The adapter '{Name}' has one copy for a tied embedding and head, which another adapter took apart.",
                remedy: "Leave one of them out, or use both as they are.");
        if (MergeRefusal is { } refusal) throw refusal;
    }

    /// <summary>Takes a merged adapter out again. The weights differ from the original ones by rounding.</summary>
    /// <exception cref="UsageException">The adapter is not merged.</exception>
    public void Unmerge()
    {
        if (!IsMerged) throw new UsageException($"The adapter '{Name}' is not merged.");
        UnmergeWeights();
        foreach (var (index, copy) in Replaced()) SwapValues(Model.Parameters[index], copy);
        IsMerged = false;
        Model.Merged.Remove(mark!);
    }

    /// <summary>What may be wrong with the settings where the shapes of the files do not fit; or null.</summary>
    internal string? HintOfMisfit { get; private protected set; }

    /// <summary>A digest of the saved adapter that it goes on training; null where it began anew.</summary>
    internal string? Origin { get; set; }

    /// <summary>Why the method cannot be merged; null when it can.</summary>
    internal virtual UsageException? MergeRefusal => null;

    /// <summary>Puts values in the place of a parameter of the base, in the engine's order.</summary>
    /// <param name="original">The parameter.</param>
    /// <param name="values">Its values.</param>
    /// <param name="key">Its key in the file; null where it follows another that is tied to it.</param>
    internal void Carry(Parameter original, ReadOnlySpan<float> values, string? key)
    {
        if (replacements[original.Index] is not { } copy)
        {
            carriedValues ??= new Arena(Model.Backend, "the base's tensors of an adapter");
            copy = new Parameter(original.Name, original.Rows, original.Columns, original.Layout)
            {
                Depth = original.Depth,
                Value = carriedValues.Allocate(Model.Backend.ParameterType, original.Rows, original.Columns),
            };
            replacements[original.Index] = copy;
            if (key is not null) carried.Add(new AdapterEntry(copy, key, original.Name, ReplacesInPlace: true));
        }
        HostValues.Upload(Model.Backend, values, copy.Value);
    }

    /// <summary>The key of the parameter that a tensor of another name in its file is a copy of; or null.</summary>
    internal virtual string? TwinOf(string name) => null;

    /// <summary>Adds to <see cref="Warnings"/>.</summary>
    internal void Warn(string sentence) => warnings.Add(sentence);

    /// <summary>
    /// Whether the method's own parameters have values that change nothing; virtual tokens and prefixes always change
    /// something.
    /// </summary>
    protected virtual bool IsIdle => false;

    /// <summary>Whether what the method adds changes nothing, whatever whole modules beside it do.</summary>
    internal bool IsMethodIdle => entries.Exists(e => !replacements.Contains(e.Parameter)) && IsIdle;

    /// <summary>Whether every value of a parameter is zero.</summary>
    protected bool IsZero(Parameter parameter) => !HostValues.Download(Model.Backend, parameter.Value).AsSpan()
        .ContainsAnyExcept(0f);

    /// <summary>Adds the weight differences to the model; replaced parameters are exchanged by the caller.</summary>
    protected abstract void MergeWeights();

    /// <summary>Takes the weight differences out of the model.</summary>
    protected abstract void UnmergeWeights();

    /// <summary>Adds a parameter of the method.</summary>
    protected Parameter Add(Parameter parameter, string key, string qualifiedName,
        string file = AdapterFiles.WeightsName)
    {
        entries.Add(new AdapterEntry(parameter, key, qualifiedName) { File = file });
        return parameter;
    }

    /// <summary>Adds a trained copy of one of the model's parameters.</summary>
    protected void Replace(
        Parameter original, string key, string qualifiedName, bool inPlace, string file = AdapterFiles.WeightsName)
    {
        if (replacements[original.Index] is not null) return;
        var copy = new Parameter(original.Name, original.Rows, original.Columns,
            original.Layout) { Depth = original.Depth };
        replacements[original.Index] = copy;
        entries.Add(new AdapterEntry(copy, key, qualifiedName, inPlace) { File = file });
    }

    /// <summary>The tied head, where the trained copy of the embedding stands for it as well; or null.</summary>
    private protected Parameter? SharedHead { get; private set; }

    /// <summary>Lets the trained copy of a tied embedding, if there is one, stand for the head as well.</summary>
    private protected void ShareEmbedding()
    {
        var head = Model.Head.Output?.Weight;
        if (head?.TiedTo is not { } table || replacements[table.Index] is not { } copy) return;
        replacements[head.Index] = copy;
        SharedHead = head;
    }

    /// <summary>
    /// Adds trained copies of everything in the modules whose path ends with one of the names, as PEFT matches
    /// modules_to_save.
    /// </summary>
    /// <param name="names">modules_to_save.</param>
    /// <param name="root">What stands in front of the model's own names; prompt methods wrap the model once
    /// less.</param>
    protected void ReplaceModules(IReadOnlyList<string> names, string root = "base_model.model.")
    {
        // The reference gives every classifier's adapter both names of heads.
        DoubtNames("modules_to_save", names.Where(n => n is not ("classifier" or "score")),
            n => Model.Parameters.Any(p => TargetMatcher.SavedModule(p.Module, [n]) is not null));
        foreach (var parameter in Model.Parameters)
        {
            if (TargetMatcher.SavedModule(parameter.Module, names) is not { } module) continue;
            var (key, rest) = ($"{root}{parameter.Name}", parameter.Name[module.Length..]);
            var qualified = $"{root}{module}.modules_to_save.{Name}{rest}";
            if (parameter == Model.Embedding.Table && IsBypassed(module))
                Add(new Parameter(parameter.Name, parameter.Rows, parameter.Columns, parameter.Layout), key, qualified);
            else Replace(parameter, key, qualified, inPlace: false);
        }
    }

    /// <summary>Warns of names that were asked for and that no module has; files may have any.</summary>
    private protected void DoubtNames(string key, IEnumerable<string> names, Func<string, bool> isMet,
        string what = "which no module of this {0} model is called")
    {
        if (Config.IsStored) return;
        List<string> idle = [.. names.Where(n => !isMet(n))];
        if (idle.Count > 0)
            Warn($"{key} names {string.Join(", ", idle)}, "
                + string.Format(CultureInfo.InvariantCulture, what, Model.Config.ModelType));
    }

    /// <summary>Warns of whatever a choice of modules names and the model does not have.</summary>
    private protected void DoubtNames(TargetMatcher matcher)
    {
        const string NoLayer = "and this {0} model has no such layer";
        DoubtNames("target_modules", matcher.Targets.Names ?? [], n => TargetMatcher.IsNameOfAny(Model, n));
        DoubtNames("exclude_modules", matcher.Exclude?.Names ?? [], n => TargetMatcher.IsNameOfAny(Model, n));
        if (matcher.Exclude is { Pattern: { } pattern })
            DoubtNames("exclude_modules", [pattern],
                p => Model.Modules.Any(m => TargetMatcher.IsWhole(p, m.Path, "exclude_modules")));
        DoubtNames("layers_pattern", matcher.LayersPattern ?? [],
            n => Model.Modules.Any(m => TargetMatcher.LayerOf(m.Path, n) is not null), NoLayer);
        var layers = Model.Modules.SelectMany(m => LayerNames(matcher).Select(n => TargetMatcher.LayerOf(m.Path, n)))
            .ToHashSet();
        DoubtNames("layers_to_transform", (matcher.Layers ?? []).Select(l => $"{l}"),
            l => layers.Contains(int.Parse(l, CultureInfo.InvariantCulture)), NoLayer);
    }

    private static IEnumerable<string> LayerNames(TargetMatcher matcher) =>
        matcher.LayersPattern is { Count: > 0 } names ? names : [TargetMatcher.AnyLayer];

    /// <summary>
    /// Whether an adapter at the token embedding's module changes nothing (T5, see <see
    /// cref="Models.Families.ModuleNames.IsEmbeddingBypassed"/>).
    /// Files that have one are read, with a doubt.
    /// </summary>
    /// <exception cref="UsageException">It is, and the adapter does not come from a file.</exception>
    private protected bool IsBypassed(string module)
    {
        if (!Model.Family.Names.IsEmbeddingBypassed) return false;
        if (!Config.IsStored)
            throw new UsageException($"An adapter at {module} of a {Model.Config.ModelType} model changes nothing: "
                + "its parts read copies of that.",
                remedy: "Leave it out.");
        bypassed = module;
        return true;
    }

    /// <summary>
    /// Gives all entries memory and copies of the replaced parameters; to be called once, at the end of construction.
    /// </summary>
    protected void Allocate(bool trainable)
    {
        trainables = [.. entries.Select(e => e.Parameter)];
        Buffer = new TrainableBuffer(Model.Backend, trainables, trainable);
        foreach (var (index, copy) in Replaced())
        {
            var original = Model.Parameters[index];
            using var scratch = new Arena(Model.Backend, "dequantised weight");
            HostValues.Copy(Model.Backend, Model.Dense(original, scratch), copy.Value);
        }
    }

    /// <summary>Frees its memory, after a computation under way; what computes with it then throws.</summary>
    public void Dispose()
    {
        lock (Model.Gate)
        {
            if (isDisposed) return;
            isDisposed = true;
            carriedValues?.Dispose();
            Free();
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the memory it owns; called once.</summary>
    protected virtual void Free() => Buffer?.Dispose();

    // Each copy once.
    private IEnumerable<(int Index, Parameter Copy)> Replaced()
    {
        for (var i = 0; i < replacements.Length; i++)
            if (replacements[i] is { } copy && i != SharedHead?.Index) yield return (i, copy);
    }

    private bool IsTheBases(Parameter original, Parameter copy)
    {
        using var scratch = new Arena(Model.Backend, "dequantised weight");
        var own = HostValues.Download(Model.Backend, Model.Dense(original, scratch));
        return HostValues.Download(Model.Backend, copy.Value).AsSpan().SequenceEqual(own);
    }

    private void SwapValues(Parameter original, Parameter copy)
    {
        Model.Expand(original, keepsTie: SharedHead is not null);
        using var scratch = new Arena(Model.Backend, "merge");
        var kept = scratch.Allocate(copy.Value.Type, original.Rows, original.Columns);
        HostValues.Copy(Model.Backend, original.Value, kept);
        HostValues.Copy(Model.Backend, copy.Value, original.Value);
        HostValues.Copy(Model.Backend, kept, copy.Value);
    }
}
