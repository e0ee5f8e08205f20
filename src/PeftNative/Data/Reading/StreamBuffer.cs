namespace PeftNative.Data.Reading;

/// <summary>Bytes of a stream that have been read and not been used yet.</summary>
internal static class StreamBuffer
{
    /// <summary>Reads more behind what is there; the buffer grows where it is full. False at the end.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="path">Its file, for errors.</param>
    /// <param name="buffer">The buffer.</param>
    /// <param name="start">Where the unused bytes begin, which are moved to the front.</param>
    /// <param name="end">Where they end.</param>
    /// <exception cref="StorageException">The stream cannot be read.</exception>
    internal static bool Fill(Stream stream, string path, ref byte[] buffer, ref int start, ref int end)
    {
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }
        if (end == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
        try
        {
            var read = stream.Read(buffer, end, buffer.Length - end);
            end += read;
            return read > 0;
        }
        catch (IOException e)
        {
            throw new StorageException("The data file cannot be read: " + e.Message, path, inner: e);
        }
    }
}
