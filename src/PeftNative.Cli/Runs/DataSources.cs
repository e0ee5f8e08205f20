using System.Globalization;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Columnar;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Determinism;

namespace PeftNative.Cli.Runs;

/// <summary>The data that --data, --split, --eval_data and --val_size name together.</summary>
internal static class DataSources
{
    // Kinds of files of another assembly: one call, so that nothing is found by reflection.
    static DataSources() => ColumnarFormats.Register();

    /// <summary>The one file or pattern to read, of which --split may name a part.</summary>
    public static string One(SettingValues values) => Chosen(values.Text(DataSettings.Data), values);

    /// <summary>All parts of all data, for those who want to look at them.</summary>
    public static IEnumerable<string> Every(SettingValues values)
    {
        foreach (var (path, _) in Given(values))
        {
            if (values.Has(DataSettings.Split))
            {
                yield return Chosen(path, values);
                continue;
            }
            var splits = DataSplits.Find(path);
            foreach (var file in new[] { splits.Train, splits.Validation, splits.Test }.OfType<string>())
                yield return file;
        }
    }

    /// <summary>
    /// Reads the records to train on and those to evaluate on, where the settings name or hold out some.
    /// </summary>
    public static (DataPlan Train, DataPlan? Eval, string Origin) Read(SettingValues values, Terminal terminal)
    {
        var given = Given(values);
        var found = given.ConvertAll(g => values.Has(DataSettings.Split)
            ? new DataSplits(Chosen(g.Path, values), null, null) : DataSplits.Find(g.Path));
        var parts = found.Zip(given, (splits, g) => DataPlan.Read(splits.Train ?? throw new DataException(
            "The folder has no training data.", g.Path, "Name a file train.jsonl."), values, terminal)).ToList();
        var train = Together(parts, [.. given.Select(g => g.Weight)], values, terminal);
        var evalFile = values.OptionalText(DataSettings.EvalData) is { } file ? DataSplits.Find(file) switch
        {
            { Validation: { } validation } => validation,
            var splits => splits.Test ?? splits.Train,
        } : found is [var only] ? only.Validation ?? (only.Train!.Contains('#') ? only.Test : null) : null;
        if (values.OptionalNumber(DataSettings.ValSize) is not { } size || size == 0)
            return (train, evalFile is null ? null : DataPlan.Read(evalFile, values, terminal), evalFile ?? "");
        if (values.Has(DataSettings.EvalData))
            throw new UsageException("--eval_data and --val_size exclude each other.", null, "Give one of them.");
        // Of a file that is one text, blocks are held out once there are some.
        if (HoldsBlocksOut(train, values)) return (train, null, "");
        var held = Held(size, train.Records.Count);
        var (rest, chosen) = HoldOut.Split(train.Records.Count, held, (ulong)values.Whole(Shared.Seed));
        return (train.Part(rest), train.Part(chosen), $"{held} records held out of {train.Path}");
    }

    /// <summary>Whether what is evaluated on is blocks of a file that is one text, which has only one
    /// record.</summary>
    public static bool HoldsBlocksOut(DataPlan train, SettingValues values) =>
        IsOneText(train) && values.OptionalNumber(DataSettings.ValSize) is > 0;

    /// <summary>Holds blocks of such a file out of its examples.</summary>
    public static (EncodedData Train, EncodedData Eval, string Origin) HoldBlocksOut(
        DataPlan train, EncodedData examples, SettingValues values)
    {
        var held = Held(values.Number(DataSettings.ValSize), examples.Examples.Count);
        var (rest, chosen) = HoldOut.Split(examples.Examples.Count, held, (ulong)values.Whole(Shared.Seed));
        return (examples.Part(rest), examples.Part(chosen), $"{held} blocks held out of {train.Path}");
    }

    private static bool IsOneText(DataPlan data) =>
        data.Shape == RecordShape.Text && DataPath.Extension(data.Path) == ".txt";

    private static int Held(double size, int count) =>
        size < 1 ? Math.Max(1, (int)Math.Round(size * count)) : (int)size;

    // One after the other; with weights as many of each as give these shares without taking a record twice.
    private static DataPlan Together(
        List<DataPlan> parts, double?[] weights, SettingValues values, Terminal terminal)
    {
        if (parts is [var only]) return only;
        var first = parts[0];
        if (parts.Find(p => p.Task != first.Task) is { } other)
            throw new UsageException($"The data are for different tasks: {first.Task} and {other.Task}.", other.Path,
                "Train on each by itself, or say with --task what is learned.");
        if (weights.Any(w => w is null) && weights.Any(w => w is not null))
            throw new UsageException("Some of --data have a share and some have none.", "--data",
                "Give each a share, such as a.jsonl:0.7, or none.");
        var sum = weights.Sum(w => w ?? 0);
        var all = sum == 0 ? 0 : parts.Zip(weights, (p, w) => p.Records.Count / (w!.Value / sum)).Min();
        var (places, start) = (new List<int>(), 0);
        foreach (var (part, weight) in parts.Zip(weights))
        {
            var count = part.Records.Count;
            var taken = weight is { } w ? Math.Clamp((int)Math.Round(all * w / sum), 1, count) : count;
            places.AddRange(Some(count, taken, (ulong)values.Whole(Shared.Seed), places.Count).Select(i => start + i));
            if (weight is not null)
                terminal.Note($"{part.Path}: {Quantity.Count(taken)} of {Quantity.Count(count)} records");
            start = checked(start + count);
        }
        return first.With(RecordView.Of([.. parts.Select(p => p.Records)], [.. places]),
            string.Join(" + ", parts.Select(p => p.Path)), [.. parts.SelectMany(p => p.BadLines)]);
    }

    private static IEnumerable<int> Some(int count, int taken, ulong seed, int stream)
    {
        var order = Enumerable.Range(0, count).ToArray();
        if (taken == count) return order;
        new RandomStream(seed, RandomPurpose.DataMixture, (ulong)stream).Shuffle(order);
        return order.Take(taken).Order();
    }

    private static string Chosen(string path, SettingValues values) =>
        values.OptionalText(DataSettings.Split) is { } split ? DataSplits.Find(path, split.ToLowerInvariant()) : path;

    private static List<(string Path, double? Weight)> Given(SettingValues values)
    {
        var texts = values.Texts(DataSettings.Data);
        return texts.Count == 0 ? throw SettingValues.Missing(DataSettings.Data) : [.. texts.Select(Weighted)];
    }

    private static (string Path, double? Weight) Weighted(string text)
    {
        var at = text.LastIndexOf(':');
        if (at <= 0 || File.Exists(text) || !double.TryParse(text[(at + 1)..], NumberStyles.AllowDecimalPoint,
            CultureInfo.InvariantCulture, out var weight)) return (text, null);
        return weight > 0 ? (text[..at], weight)
            : throw new UsageException($"The share of a file must be above 0, not {weight}.", text, "Leave it out.");
    }
}
