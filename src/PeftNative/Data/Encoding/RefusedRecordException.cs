namespace PeftNative.Data.Encoding;

/// <summary>A record that gives no example; it is counted and named, and the others go on.</summary>
internal sealed class RefusedRecordException(string reason, Exception? inner = null) : Exception(reason, inner);
