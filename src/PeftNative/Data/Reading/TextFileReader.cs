using System.Text.Json.Nodes;

namespace PeftNative.Data.Reading;

/// <summary>Plain text: the whole file is one record with the field <c>text</c>; CRLF becomes LF.</summary>
internal static class TextFileReader
{
    public static IEnumerable<RawRecord> Read(Stream stream, string path)
    {
        var file = WholeFile.Read(stream, path, "Split the file, or convert it to jsonl with one text per record.");
        var text = System.Text.Encoding.UTF8.GetString(file.Span).ReplaceLineEndings("\n");
        if (!string.IsNullOrWhiteSpace(text))
            yield return new RawRecord(new JsonObject { ["text"] = text }, new RecordOrigin(path, 1));
    }
}
