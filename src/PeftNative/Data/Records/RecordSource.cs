using System.Collections;
using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>How a data file is read.</summary>
public sealed record RecordOptions
{
    /// <summary>The shape of the records; null: found from the first 100.</summary>
    public RecordShape? Shape { get; init; }

    /// <summary>Names in the file that differ from the fields' usual ones.</summary>
    public ColumnMap Columns { get; init; } = ColumnMap.Default;

    /// <summary>How bytes become records.</summary>
    public ReadOptions Reading { get; init; } = ReadOptions.Default;

    /// <summary>
    /// Columns that are labels, each with 0 or 1 for every record, of which several may apply; empty for none.
    /// </summary>
    public IReadOnlyList<string> LabelColumns { get; init; } = [];

    /// <summary>How instructions become prompts.</summary>
    public InstructionTemplate Template { get; init; } = InstructionTemplate.Default;

    /// <summary>Whether records may lack what is to be learned.</summary>
    public bool ForPrediction { get; init; }

    /// <summary>Whether a conversation that is a list of texts is turns of user and assistant, by turns.</summary>
    public bool AlternateTurns { get; init; }

    /// <summary>Whether records stay as the file has them (<see cref="UncheckedRecord"/>).</summary>
    public bool Unchecked { get; init; }

    /// <summary>
    /// Whether broken lines and records are left out and listed in <see cref="RecordSource.BadLines"/> instead of
    /// ending the reading.
    /// </summary>
    public bool SkipBadLines { get; init; }
}

/// <summary>
/// The checked records of a data file. Every enumeration reads the file anew, so that large files need no memory; one
/// enumeration at a time. Used by one thread at a time.
/// </summary>
public sealed class RecordSource : IEnumerable<DataRecord>
{
    private readonly RecordOptions _options;
    private readonly RecordParser _parser;
    private readonly RecordPreparation _preparation;
    private readonly Dictionary<string, string> _columns = [];
    private readonly List<string> _unused = [];
    private volatile HashSet<string> _known = []; // replaced as a whole, as several threads look into it

    private RecordSource(string path, RecordShape shape, RecordOptions options)
    {
        (Path, Shape, _options) = (path, shape, options);
        _preparation = new RecordPreparation(options);
        _parser = new RecordParser(shape, options.Columns, options.Template, options.ForPrediction,
            options.AlternateTurns);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The shape of the records.</summary>
    public RecordShape Shape { get; }

    /// <summary>
    /// The lines the last enumeration left out; always empty without <see cref="RecordOptions.SkipBadLines"/>.
    /// </summary>
    public IReadOnlyList<DataException> BadLines { get; private set; } = [];

    /// <summary>The names in the file of the fields that the last enumeration found, by field.</summary>
    public IReadOnlyDictionary<string, string> Columns => _columns;

    /// <summary>Names in the file, with something in them, that the last enumeration found no use for.</summary>
    public IReadOnlyList<string> Unused => [.. _unused];

    /// <summary>
    /// Columns that nothing is made of and that hold nothing but 0 or 1 in the first record, so that they may be
    /// labels.
    /// </summary>
    public IReadOnlyList<string> LabelCandidates { get; private init; } = [];

    /// <summary>Opens a file and finds the shape of its records.</summary>
    /// <exception cref="DataException">
    /// The file cannot be read as data, or its records have no common shape.
    /// </exception>
    /// <exception cref="StorageException">The file cannot be opened.</exception>
    public static RecordSource Open(string path, RecordOptions? options = null)
    {
        options ??= new RecordOptions();
        if (options.Columns.AreNumbers)
            options = options with { Reading = options.Reading with { IsWithoutHeader = true } };
        var bad = options.SkipBadLines ? new List<DataException>() : null;
        var records = new RecordPreparation(options).Prepare(DataFile.Read(path, bad, options.Reading), bad);
        RawRecord[] first = [.. records.Take(ShapeDetector.SampleSize)];
        if (first.Length == 0 && bad is [var none, ..]) throw none;
        var shape = options.Shape ?? ShapeDetector.Detect(first, options.Columns, options.ForPrediction);
        var used = options.Columns.NamesIn(first[0].Fields, ShapeFields.Of(shape)).Select(n => n.Name);
        return new RecordSource(path, shape, options)
        {
            LabelCandidates = [.. LabelColumns.Candidates(first[0].Fields).Except(used)],
        };
    }

    /// <summary>Files above this size, or compressed ones above a tenth of it, are not held in memory.</summary>
    internal const long MostInMemory = 8 << 20;

    /// <summary>
    /// Reads the whole file. The records of a large one stay on disk and are parsed again each time they are asked for;
    /// every one of them has been checked by then.
    /// </summary>
    /// <param name="progress">Told how far reading is.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="DataException">A line or record is broken, unless such are left out.</exception>
    public IReadOnlyList<DataRecord> Load(
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default) =>
        Load(MostInMemory, progress, cancellation);

    /// <summary>The same with another size from which on records stay on disk.</summary>
    internal IReadOnlyList<DataRecord> Load(
        long mostInMemory, IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (Size() > mostInMemory)
        {
            var bad = _options.SkipBadLines ? new List<DataException>() : null;
            BadLines = bad ?? [];
            _columns.Clear();
            _unused.Clear();
            _known = [];
            return RecordStore.Read(this, bad, progress, cancellation);
        }
        var records = new List<DataRecord>();
        foreach (var record in this)
        {
            cancellation.ThrowIfCancellationRequested();
            records.Add(record);
            if (records.Count % 1024 == 0) progress?.Report(new WorkProgress("reading " + Path, records.Count, null));
        }
        return records;
    }

    /// <summary>How the file is read.</summary>
    internal RecordOptions Options => _options;

    /// <summary>What is in a raw record; used by several threads at once.</summary>
    internal DataRecord Parse(RawRecord raw)
    {
        if (_options.Unchecked) return new UncheckedRecord(raw);
        var prepared = _preparation.Prepare(raw);
        var record = _parser.Parse(prepared);
        var known = _known;
        foreach (var (name, value) in prepared.Fields)
        {
            if (known.Contains(name) || IsEmpty(value)) continue;
            Note(prepared);
            break;
        }
        return record;
    }

    private long Size()
    {
        var (name, _) = DataPath.Split(Path);
        return DataPath.Files(name).Sum(file => new FileInfo(file).Length
            * (DataPath.IsCompressed(file) || DataFormats.Of(DataPath.Extension(file)) is not null ? 10 : 1));
    }

    /// <summary>Reads the file.</summary>
    public IEnumerator<DataRecord> GetEnumerator()
    {
        var badLines = _options.SkipBadLines ? new List<DataException>() : null;
        BadLines = badLines ?? [];
        _columns.Clear();
        _unused.Clear();
        _known = [];
        foreach (var raw in DataFile.Read(Path, badLines, _options.Reading))
        {
            DataRecord record;
            try
            {
                record = Parse(raw);
            }
            catch (DataException e) when (badLines is not null)
            {
                badLines.Add(e);
                continue;
            }
            yield return record;
        }
    }

    private void Note(RawRecord raw)
    {
        lock (_columns)
        {
            var known = new HashSet<string>(_known);
            foreach (var (field, name) in _options.Columns.NamesIn(raw.Fields, ShapeFields.Of(Shape)))
                if (_columns.TryAdd(field, name)) known.Add(name);
            foreach (var (name, value) in raw.Fields)
                if (!IsEmpty(value) && known.Add(name) && !_preparation.Uses(name)) _unused.Add(name);
            _known = known;
        }
    }

    private static bool IsEmpty(JsonNode? value) =>
        value is null or JsonArray { Count: 0 } || value.AsText() is "";

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
