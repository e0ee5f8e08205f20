using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace PeftNative.Data.Reading;

/// <summary>
/// Comma- or tab-separated values by RFC 4180: a header line, fields that may be quoted, quotes doubled inside quoted
/// fields, which may contain delimiters and line ends. A quote inside a field that does not begin with one is an
/// ordinary character. Blank lines are left out. Where the header has none of the usual delimiter, another one is
/// looked for.
/// </summary>
internal sealed class DelimitedReader
{
    private readonly LineReader _lines;
    private readonly char _delimiter;
    private readonly StringBuilder _field = new();
    private RecordOrigin _origin = new("", 0);
    private string _line = "";
    private int _at;

    private DelimitedReader(LineReader lines, char delimiter) => (_lines, _delimiter) = (lines, delimiter);

    public static IEnumerable<RawRecord> Read(DataContent content, Stream stream, char usual,
        ICollection<DataException>? badLines, ReadOptions options)
    {
        var delimiter = Delimiter.Find(content, usual);
        if (delimiter != usual)
            options.Notes?.Add($"{content.Path}: the columns are separated by {Delimiter.NameOf(delimiter)}");
        var reader = new DelimitedReader(new LineReader(stream, content.Path), delimiter);
        if (reader.NextRow() is not { } header) yield break;
        if (options.IsWithoutHeader)
        {
            var first = header;
            header = [.. first.Select((_, i) => (i + 1).ToString(CultureInfo.InvariantCulture))];
            yield return reader.ToRecord(header, first);
        }
        else
        {
            reader.CheckHeader(header);
        }
        while (true)
        {
            RawRecord record;
            try
            {
                if (reader.NextRow() is not { } row) yield break;
                record = reader.ToRecord(header, row);
            }
            catch (DataException e) when (badLines is not null)
            {
                badLines.Add(e);
                continue;
            }
            yield return record;
        }
    }

    /// <summary>The fields of the next row that is not blank; null at the end.</summary>
    private List<string>? NextRow()
    {
        do
        {
            if (!_lines.Next()) return null;
            _line = _lines.Text();
        }
        while (string.IsNullOrWhiteSpace(_line));
        _origin = _lines.Origin;
        _at = 0;
        var row = new List<string>();
        while (true)
        {
            row.Add(_at < _line.Length && _line[_at] == '"' ? QuotedField() : PlainField());
            if (_at == _line.Length) return row;
            _at++;   // the delimiter
        }
    }

    private string PlainField()
    {
        var end = _line.IndexOf(_delimiter, _at);
        var field = end < 0 ? _line[_at..] : _line[_at..end];
        if (field.Contains('\r'))
        {
            throw Error($"A field holds a lone carriage return: {Excerpt.Of(field)}",
                "Save the file with line feeds (LF or CRLF) at the line ends, or quote the field.");
        }
        _at += field.Length;
        return field;
    }

    private string QuotedField()
    {
        _field.Clear();
        _at++;
        while (true)
        {
            var quote = _line.IndexOf('"', _at);
            if (quote < 0)
            {
                ContinueOnNextLine();
                continue;
            }
            _field.Append(_line, _at, quote - _at);
            _at = quote + 1;
            if (_at < _line.Length && _line[_at] == '"')
            {
                _field.Append('"');
                _at++;
            }
            else
            {
                return _at == _line.Length || _line[_at] == _delimiter ? _field.ToString() : throw Error(
                    $"Text follows the closing quote of a field: {Excerpt.Of(_line[quote..])}",
                    "Double the quotes inside a quoted field.");
            }
        }
    }

    private void ContinueOnNextLine()
    {
        _field.Append(_line, _at, _line.Length - _at).Append(_lines.LineEnd);
        if (_field.Length > LineReader.MaxLineBytes)
            throw Error($"A quoted field is longer than {LineReader.MaxLineBytes >> 20} MB.", CloseQuotes);
        if (!_lines.Next()) throw Error($"A quoted field does not end: {Excerpt.Of(_field.ToString())}", CloseQuotes);
        _line = _lines.Text();
        _at = 0;
    }

    private const string CloseQuotes = "Close the quote; a field that begins with a quote must be quoted as a whole.";

    private void CheckHeader(List<string> header)
    {
        if (header.Exists(string.IsNullOrWhiteSpace))
            throw Error("A column of the header has no name.", "The first line must name every column.");
        if (header.GroupBy(name => name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw Error($"Two columns are named '{twice.Key}'.", "Give every column a name of its own.");
    }

    private RawRecord ToRecord(List<string> header, List<string> row)
    {
        if (row.Count != header.Count)
        {
            var shown = Excerpt.Of(string.Join(_delimiter, row));
            throw Error($"The row has {row.Count} fields, the header {header.Count}: {shown}",
                "Quote fields that contain the delimiter.");
        }
        var fields = new JsonObject(header.Zip(row, (name, value) => KeyValuePair.Create(name, (JsonNode?)value)));
        return new RawRecord(fields, _origin, IsDelimited: true);
    }

    private DataException Error(string what, string remedy) => new(what, _origin.ToString(), remedy);
}
