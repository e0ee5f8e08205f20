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

    private RecordSource(string path, RecordShape shape, RecordOptions options)
    {
        (Path, Shape, _options) = (path, shape, options);
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
        var records = DataFile.Read(path, options.SkipBadLines ? [] : null);
        var shape = options.Shape ?? ShapeDetector.Detect(records, options.Columns, options.ForPrediction);
        return new RecordSource(path, shape, options);
    }

    /// <summary>Reads the file.</summary>
    public IEnumerator<DataRecord> GetEnumerator()
    {
        var badLines = _options.SkipBadLines ? new List<DataException>() : null;
        BadLines = badLines ?? [];
        _columns.Clear();
        _unused.Clear();
        HashSet<string> known = [];
        foreach (var raw in DataFile.Read(Path, badLines))
        {
            DataRecord record;
            try
            {
                record = _options.Unchecked ? new UncheckedRecord(raw) : _parser.Parse(raw);
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

    private void Note(RawRecord raw, HashSet<string> known)
    {
        foreach (var (field, name) in _options.Columns.NamesIn(raw.Fields, ShapeFields.Of(Shape)))
            if (_columns.TryAdd(field, name)) known.Add(name);
        foreach (var (name, value) in raw.Fields)
            if (value is not null and not JsonArray { Count: 0 } && value.AsText() is not "" && known.Add(name))
                _unused.Add(name);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
