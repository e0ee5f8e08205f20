using System.Text.Json.Nodes;

namespace PeftNative.Data.Reading;

/// <summary>Where a record was read: its file and the line, from 1, on which it begins.</summary>
public sealed record RecordOrigin(string File, long Line)
{
    /// <summary><c>file:line</c>, as editors understand it.</summary>
    public override string ToString() => $"{File}:{Line}";
}

/// <summary>A record as the file has it.</summary>
/// <param name="Fields">Names and values. Values of csv and tsv are always texts.</param>
/// <param name="Origin">Where it was read.</param>
/// <param name="IsDelimited">Whether it comes from csv or tsv, where "1" may mean the number.</param>
public sealed record RawRecord(JsonObject Fields, RecordOrigin Origin, bool IsDelimited = false)
{
    /// <summary>Bytes of the content before the record, where it is JSON that can be read from there alone.</summary>
    internal long? Offset { get; init; }
}
