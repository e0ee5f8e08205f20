using System.Text.Json.Nodes;
using PeftNative.Backends;
using PeftNative.Cli.Inspect;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Formats;
using PeftNative.Formats.Recognition;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Loading;
using PeftNative.Models.Loading.Stored;
using PeftNative.Peft;

namespace PeftNative.Cli.Verbs;

/// <summary>Shows what weights, adapters, models and checkpoints hold.</summary>
internal sealed class InspectVerb : Verb
{
    private const int RowsShown = 40;

    private static readonly Setting PathArgument = new("path", SettingKind.Text,
        "Any file or folder of models, adapters, tokenizers, data; of this program or of others.")
    {
        ValueName = "PATH", IsRequired = true,
    };

    private static readonly Setting Diff = new("diff", SettingKind.Text,
        "Compare with this file or folder, tensor by tensor.") { ValueName = "PATH" };

    private static readonly Setting Base = Shared.Model with
    {
        Help = "Checkpoint folder: does the adapter fit it, and change anything?", IsRequired = false,
        Group = "Options",
    };

    private static readonly Setting All = new("all", SettingKind.Switch, $"Every tensor, not the first {RowsShown}.");

    public override string Name => "inspect";

    public override string Summary =>
        "names what a file or folder is and what can be done with it; tensors, norms, settings, hashes";

    public override string Example => "peftnative inspect my-adapter --diff my-adapter/best";

    public override Setting Argument => PathArgument;

    public override IReadOnlyList<Setting> Settings => [Diff, Base, All];

    public override bool ReadsConfig => false;

    public override int Run(SettingValues values, Terminal terminal)
    {
        var path = InspectedPath.Find(values.Text(PathArgument));
        if (values.OptionalText(Diff) is { } other) return Compare(path, InspectedPath.Find(other), values, terminal);
        var facts = Facts.Of(path);
        var abilities = Abilities.Of(path.Found);
        terminal.Line($"{path.Path}: {path.Found.Title} ({path.Found.Sign})");
        if (path.Found.IsNot is { } not) terminal.Line($"  {"not",-24} {not}");
        if (path.Found.Detail is { } detail) terminal.Line($"  {"detail",-24} {detail}");
        foreach (var (key, value) in facts) terminal.Line($"  {key,-24} {Show(value)}");
        if (path.Kind == PathKind.Model && facts["supported"]?.GetValue<bool>() == true && path.WeightFiles.Count > 0)
            Doubt(path.Path, facts, terminal);
        if (values.OptionalText(Base) is { } model) Fit(path, model, facts, terminal);
        if (path.WeightFiles.Count == 0)
        {
            terminal.Object(Head(path, facts, abilities));
            PrintAbilities(path, abilities, terminal);
            return path.Found.Kind == FileKind.Unknown ? throw Unknown(path.Path) : 0;
        }
        using var source = WeightSource.Open(path.WeightPath);
        var isKnown = facts["supported"]?.GetValue<bool>() == true && abilities.Any(a => a.IsThere);
        var forms = path.Kind == PathKind.Model && isKnown
            ? StoredForms.Summary(source, StoredQuantization.Read(path.Path)) : [];
        foreach (var (form, count) in forms)
        {
            facts[$"quantised_{form}"] = count;
            terminal.Line($"  {"quantised",-24} {Quantity.Of(count, "weight")} as {form}");
        }
        PrintFiles(path, source, Head(path, facts, abilities), terminal);
        PrintAbilities(path, abilities, terminal);
        PrintTensors(source, values.Switch(All), terminal);
        return 0;
    }

    private static ModelFormatException Unknown(string path) =>
        new("It is nothing that is known here.", path, $"Looked for: {FileRecognizer.LookedFor}.");

    private static JsonObject Head(InspectedPath path, JsonObject facts, IReadOnlyList<Ability> abilities) => new()
    {
        ["path"] = path.Path, ["kind"] = path.KindName, ["is"] = path.Found.Title, ["shown_by"] = path.Found.Sign,
        ["is_not"] = path.Found.IsNot, ["detail"] = path.Found.Detail, ["facts"] = facts,
        ["can"] = new JsonObject(abilities.Select(a => KeyValuePair.Create(a.Verb,
            (JsonNode?)new JsonObject { ["here"] = a.IsThere, ["how"] = a.How }))),
    };

    // One line where nothing can be done, for the same reason.
    private static void PrintAbilities(InspectedPath path, IReadOnlyList<Ability> abilities, Terminal terminal)
    {
        if (path.Found.Kind == FileKind.Unknown) return;
        terminal.Line();
        if (abilities.All(a => !a.IsThere) && abilities.Select(a => a.How).Distinct().Count() == 1)
        {
            terminal.Line($"This version cannot {string.Join(", ", abilities.SkipLast(1).Select(a => a.Verb))} or "
                + $"{abilities[^1].Verb} it: {abilities[0].How}");
            return;
        }
        var table = new TextTable("verb", "here", "how, or why not");
        foreach (var (verb, isThere, how) in abilities) table.Add(verb, isThere ? "yes" : "no", how);
        foreach (var line in table.Lines()) terminal.Line(line);
    }

    private static void Doubt(string folder, JsonObject facts, Terminal terminal)
    {
        var doubts = ModelLoader.Doubts(folder);
        foreach (var doubt in doubts) terminal.Warn(doubt);
        if (doubts.Count > 0) facts["doubts"] = JsonLines.List(doubts);
    }

    private static string Show(JsonNode? value) => value switch
    {
        null => "-",
        JsonArray list => string.Join(", ", list.Select(Show)),
        JsonObject => value.ToJsonString(),
        _ => value.ToString(),
    };

    // What does not fit at all is an error of loading.
    private static void Fit(InspectedPath path, string folder, JsonObject facts, Terminal terminal)
    {
        if (!File.Exists(Path.Combine(path.Path, AdapterFolder.ConfigName)))
            throw new UsageException("Only an adapter can be held against a model.", "--model",
                "Give the folder of an adapter, or leave --model out.");
        using var backend = BackendFactory.Create("reference");
        var (model, loaded) = ModelLoader.Load(backend, folder, AdapterLabels.OptionsFor(path.Path, folder));
        using var owner = model;
        using var adapter = AdapterFolder.Load(model, path.Path);
        List<string> doubts = [.. loaded.Doubts, .. AdapterFolder.Doubts(adapter, path.Path)];
        foreach (var doubt in doubts) terminal.Warn(doubt);
        terminal.Line($"  {"fits " + folder,-24} every key has its place, with the right shape");
        facts["fits_model"] = new JsonObject { ["model"] = folder, ["changes_nothing"] = adapter.ChangesNothing,
            ["doubts"] = JsonLines.List(doubts) };
    }

    private static void PrintFiles(InspectedPath path, WeightSource source, JsonObject head, Terminal terminal)
    {
        var parameters = source.Tensors.Sum(t => t.ElementCount);
        terminal.Line(
            $"  {"parameters",-24} {Quantity.Count(parameters)} in {Quantity.Of(source.Count, "tensor")}, "
                + $"{Quantity.Bytes(source.ByteLength)}");
        var files = new JsonArray();
        foreach (var file in path.WeightFiles)
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            var (size, hash) = (new FileInfo(file).Length, InspectedPath.Sha256(file));
            files.Add((JsonNode)new JsonObject { ["name"] = Path.GetFileName(file), ["bytes"] = size,
                ["sha256"] = hash });
            terminal.Line($"  {Path.GetFileName(file),-24} {Quantity.Bytes(size)}, sha256 {hash}");
        }
        (head["parameters"], head["tensors"]) = (parameters, source.Count);
        (head["bytes"], head["files"]) = (source.ByteLength, files);
        terminal.Object(head);
    }

    private static void PrintTensors(WeightSource source, bool all, Terminal terminal)
    {
        var table = new TextTable("tensor", "type", "shape", "norm", "least", "most", "NaN", "Inf");
        long broken = 0;
        var shown = 0;
        using var progress = new ProgressLine(terminal);
        foreach (var tensor in source.Tensors)
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            progress.Show($"reading {tensor.Name}");
            // Codes that only bear the label of a float type are no numbers.
            var found = source.Contains(tensor.Name + ".absmax") ? null
                : TensorStatistics.Of(source.FileOf(tensor.Name), tensor);
            broken += found is { } f ? f.NanCount + f.InfinityCount : 0;
            terminal.Object(ToJson(tensor, found));
            // Tensors with broken numbers are shown wherever they stand.
            if (!all && ++shown > RowsShown && found is null or { NanCount: 0, InfinityCount: 0 }) continue;
            table.Add(tensor.Name, tensor.TypeName, $"[{string.Join(", ", tensor.Shape)}]", Text(found?.Norm),
                Text(found?.Least), Text(found?.Most),
                found?.NanCount.ToString() ?? "-", found?.InfinityCount.ToString() ?? "-");
        }
        progress.Clear();
        terminal.Line();
        foreach (var line in table.Lines()) terminal.Line(line);
        if (!all && shown > RowsShown) terminal.Line($"... {shown - RowsShown} more; --all shows them");
        terminal.Line(broken == 0 ? "every number is finite" : $"{Quantity.Count(broken)} numbers are not finite");
    }

    private static JsonObject ToJson(StoredTensor tensor, TensorStatistics? found) => new()
    {
        ["tensor"] = tensor.Name, ["dtype"] = tensor.TypeName,
        ["shape"] = new JsonArray([.. tensor.Shape.Select(d => (JsonNode)d)]),
        ["norm"] = JsonLines.Number(found?.Norm), ["least"] = JsonLines.Number(found?.Least),
        ["most"] = JsonLines.Number(found?.Most),
        ["nan"] = found?.NanCount, ["inf"] = found?.InfinityCount,
    };

    private static int Compare(InspectedPath path, InspectedPath other, SettingValues values, Terminal terminal)
    {
        if (path.WeightFiles.Count == 0 || other.WeightFiles.Count == 0)
            throw new UsageException("Only paths with weights can be compared.", "--diff",
                "Give safetensors files, adapters or models.");
        using var first = WeightSource.Open(path.WeightPath);
        using var second = WeightSource.Open(other.WeightPath);
        var table = new TextTable("tensor", "is", "largest difference", "relative");
        var counts = new Dictionary<TensorRelation, int>();
        foreach (var tensor in TensorComparison.Of(first, second))
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            counts[tensor.Relation] = counts.GetValueOrDefault(tensor.Relation) + 1;
            var relation = tensor.Relation.ToString().ToLowerInvariant();
            terminal.Object(new JsonObject
            {
                ["tensor"] = tensor.Name, ["relation"] = relation,
                ["largest_difference"] = JsonLines.Number(tensor.LargestDifference),
                ["relative_difference"] = JsonLines.Number(tensor.RelativeDifference),
            });
            if (values.Switch(All) || tensor.Relation != TensorRelation.Equal)
                table.Add(tensor.Name, relation, Text(tensor.LargestDifference), Text(tensor.RelativeDifference));
        }
        foreach (var line in table.Lines().Skip(counts.Keys.All(k => k == TensorRelation.Equal) && !values.Switch(All)
            ? 1 : 0)) terminal.Line(line);
        terminal.Line(string.Join(", ",
            counts.OrderBy(c => c.Key).Select(c => $"{c.Value} {c.Key.ToString().ToLowerInvariant()}")));
        return 0;
    }

    private static string Text(double? value) => value is { } v ? Quantity.Number(v) : "-";
}
