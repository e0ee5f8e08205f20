using System.Collections;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Win32.SafeHandles;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>
/// The records of a large data file, which stay on disk: in memory is where each begins. JSON Lines are read from their
/// file, everything else from a temporary copy as JSON Lines. What a record holds is parsed again each time it is asked
/// for. Safe to use from several threads once it is made.
/// </summary>
internal sealed class RecordStore : IReadOnlyList<DataRecord>, IRecordsOnDisk
{
    private readonly RecordSource _source;
    private readonly string _path;
    private readonly Pages<long> _offsets = new();
    private readonly Pages<uint> _lines = new();
    private readonly Pages<int> _bounds = new();
    private readonly LabelSurvey _survey = new();
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private SafeFileHandle? _file;
    private RecordCopy? _copy;
    private readonly List<(int First, string File)> _files = [];
    private (long Length, DateTime Written) _state;
    private bool _isDelimited, _hasLabels = true;
    private long _end;

    private RecordStore(RecordSource source, string path) => (_source, _path) = (source, path);

    public int Count => _offsets.Count;

    /// <inheritdoc/>
    public string Digest { get; private set; } = "";

    /// <summary>What the labels of all records are; null where some have none.</summary>
    public LabelSurvey? Survey => _hasLabels && Count > 0 ? _survey : null;

    /// <summary>Goes through a file once, checking every record.</summary>
    /// <param name="source">How its records are read; bad ones are listed or thrown as it says.</param>
    /// <param name="bad">Receives bad records; null to throw the first.</param>
    /// <param name="progress">Told the bytes done.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static RecordStore Read(RecordSource source, ICollection<DataException>? bad,
        IProgress<WorkProgress>? progress, CancellationToken cancellation)
    {
        var store = new RecordStore(source, source.Path);
        var content = new DataContent(source.Path, source.Options.Reading);
        var isLines = DataPath.Extension(source.Path) is ".jsonl" or ".ndjson" or ".json" && File.Exists(source.Path)
            && JsonForms.Of(content) == JsonForm.Lines && content.IsPlain;
        if (isLines) store.Index(content, bad, progress, cancellation);
        else store.Copy(bad, progress, cancellation);
        store._copy?.Flush();
        store.Digest = Convert.ToHexStringLower(store._hash.GetHashAndReset());
        return store.Count > 0 ? store : throw (bad is { Count: > 0 }
            ? DataFile.NoneIsValid(source.Path, bad) : DataFile.Empty(source.Path));
    }

    /// <summary>The record at a place.</summary>
    /// <exception cref="DataException">The file is not what it was.</exception>
    public DataRecord this[int index]
    {
        get
        {
            var (start, end) = (_offsets[index], index + 1 < Count ? _offsets[index + 1] : _end);
            var bytes = new byte[end - start];
            ReadAt(bytes, start);
            var origin = new RecordOrigin(FileOf(index), _lines[index]);
            try
            {
                var reader = new Utf8JsonReader(bytes, new JsonReaderOptions
                {
                    MaxDepth = JsonValues.MaxDepth, AllowMultipleValues = true,
                });
                reader.Read();
                var fields = (JsonObject)JsonValues.Read(ref reader)!;
                return _source.Parse(new RawRecord(fields, origin, _isDelimited));
            }
            catch (Exception e) when (e is JsonException or InvalidCastException)
            {
                throw new DataException("The data file has changed since it was read.", _path,
                    "Start again, and leave the file alone meanwhile.", e);
            }
        }
    }

    /// <inheritdoc/>
    public int BoundOf(int index) => _bounds[index];

    public IEnumerator<DataRecord> GetEnumerator()
    {
        const int Together = 256;
        var starts = Enumerable.Range(0, (Count + Together - 1) / Together);
        return InOrder.Select(starts, s => Enumerable.Range(s * Together, Math.Min(Together, Count - s * Together))
            .Select(i => this[i]).ToArray()).SelectMany(records => records).GetEnumerator();
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void Index(DataContent content, ICollection<DataException>? bad, IProgress<WorkProgress>? progress,
        CancellationToken cancellation)
    {
        using var stream = content.Open();
        _file = File.OpenHandle(_path);
        _state = State();
        foreach (var block in InOrder.Select(LineBlock.Read(stream, _path, _hash), Parse, cancellation))
        {
            foreach (var (record, offset, line, error) in block)
            {
                if (error is null) Add(record!, offset, line);
                else if (bad is null) throw error;
                else bad.Add(error);
            }
            progress?.Report(new WorkProgress("reading " + _path, stream.Position >> 20, _state.Length >> 20));
        }
        _end = _state.Length;
    }

    private List<(DataRecord? Record, long Offset, long Line, DataException? Error)> Parse(LineBlock block)
    {
        var result = new List<(DataRecord?, long, long, DataException?)>();
        foreach (var (text, offset, line) in block.Lines())
        {
            var origin = new RecordOrigin(_path, line);
            try
            {
                var raw = new RawRecord(JsonLinesReader.Parse(text.Span, origin), origin);
                result.Add((_source.Parse(raw), offset, line, null));
            }
            catch (DataException e)
            {
                result.Add((null, offset, line, e));
            }
        }
        return result;
    }

    private void Copy(ICollection<DataException>? bad, IProgress<WorkProgress>? progress,
        CancellationToken cancellation)
    {
        _copy = new RecordCopy();
        foreach (var raw in DataFile.Read(_path, bad, _source.Options.Reading))
        {
            cancellation.ThrowIfCancellationRequested();
            _copy.Write(raw.Fields); // as it was read: parsing adds to it
            try
            {
                var record = _source.Parse(raw);
                _isDelimited = raw.IsDelimited;
                if (_files.Count == 0 || _files[^1].File != raw.Origin.File) _files.Add((Count, raw.Origin.File));
                Add(record, _copy.Length, raw.Origin.Line);
                _copy.Append();
                _hash.AppendData(_copy.Last);
            }
            catch (DataException e) when (bad is not null)
            {
                bad.Add(e);
            }
            if (Count % 4096 == 0) progress?.Report(new WorkProgress("reading " + _path, Count, null));
        }
        _end = _copy.Length;
    }

    private void Add(DataRecord record, long offset, long line)
    {
        _offsets.Add(offset);
        _lines.Add((uint)Math.Min(line, uint.MaxValue));
        _bounds.Add(TokenBound.Of(record));
        _hasLabels &= record is TextRecord { Label: not null } or TaggedRecord { Tags: not null };
        if (_hasLabels) _survey.Add(record);
    }

    private string FileOf(int index) =>
        _files.Count > 1 ? _files.FindLast(f => f.First <= index).File : _files is [var only] ? only.File : _path;

    private void ReadAt(byte[] bytes, long offset)
    {
        if (_copy is not null)
        {
            _copy.Read(bytes, offset);
            return;
        }
        if (RandomAccess.Read(_file!, bytes, offset) < bytes.Length || State() != _state)
            throw new DataException("The data file has changed since it was read.", _path,
                "Start again, and leave the file alone meanwhile.");
    }

    private (long Length, DateTime Written) State() =>
        (RandomAccess.GetLength(_file!), File.GetLastWriteTimeUtc(_path));
}
