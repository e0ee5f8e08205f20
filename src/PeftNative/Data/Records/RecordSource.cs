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
    private readonly Dictionary<string, string> _columns = [];
    private readonly List<string> _unused = [];
    private readonly RecordPreparation _preparation;

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

    /// <summary>Opens a file and finds the shape of its records.</summary>
    /// <exception cref="DataException">
    /// The file cannot be read as data, or its records have no common shape.
    /// </exception>
    /// <exception cref="StorageException">The file cannot be opened.</exception>
    public static RecordSource Open(string path, RecordOptions? options = null)
    {
        options ??= new RecordOptions();
        if (options.Columns.AreNumbers) options = options with { Reading = options.Reading with { IsWithoutHeader = true } };
        var bad = options.SkipBadLines ? new List<DataException>() : null;
        var records = new RecordPreparation(options).Prepare(DataFile.Read(path, bad, options.Reading), bad);
        var shape = options.Shape ?? ShapeDetector.Detect(records, options.Columns, options.ForPrediction);
        return new RecordSource(path, shape, options);
    }

    private const int Looked = 1000;

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
            NoteFirst();
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
    internal DataRecord Parse(RawRecord raw) =>
        _options.Unchecked ? new UncheckedRecord(raw) : _parser.Parse(_preparation.Prepare(raw));

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
        HashSet<string> known = [];
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
            if (raw.Fields.Any(f => !known.Contains(f.Key))) Note(raw, known);
            yield return record;
        }
    }

    // Of records that stay on disk the first ones tell what fields there are.
    private void NoteFirst()
    {
        HashSet<string> known = [];
        _columns.Clear();
        _unused.Clear();
        foreach (var raw in DataFile.Read(Path, [], _options.Reading).Take(Looked))
            if (!_options.Unchecked) Note(_preparation.Prepare(raw), known);
    }

    private void Note(RawRecord raw, HashSet<string> known)
    {
        foreach (var (field, name) in _options.Columns.NamesIn(raw.Fields, ShapeFields.Of(Shape)))
            if (_columns.TryAdd(field, name)) known.Add(name);
        foreach (var (name, value) in raw.Fields)
            if (value is not null and not JsonArray { Count: 0 } && value.AsText() is not "" && known.Add(name)
                && !_options.Columns.Mentions(name))
                _unused.Add(name);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
