using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>The command on a pseudo-terminal of its own.</summary>
internal sealed partial class Screen : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private const int ReadWrite = 2, Interruption = 2, NoControllingTerminal = 0x100;

    private readonly FileStream master;
    private readonly Process process;
    private readonly StringBuilder shown = new();

    private Screen(FileStream master, Process process)
    {
        (this.master, this.process) = (master, process);
        new Thread(Read) { IsBackground = true }.Start();
    }

    public bool HasEnded => process.HasExited;

    public static Screen Open(params string[] args)
    {
        if (!OperatingSystem.IsLinux()) Assert.Skip("pseudo-terminals are opened by the functions of Linux' C library");
        var handle = posix_openpt(ReadWrite | NoControllingTerminal);
        Assert.True(handle >= 0 && grantpt(handle) == 0 && unlockpt(handle) == 0, "no pseudo-terminal");
        var name = new byte[128];
        Assert.Equal(0, ptsname_r(handle, name, (nuint)name.Length));
        var slave = Encoding.ASCII.GetString(name, 0, Array.IndexOf(name, (byte)0));
        // Tests that run in the background may have been started with interruption ignored, which children inherit.
        var command = new ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", $"exec env --default-signal=INT \"$@\" <{slave} >{slave} 2>&1", "sh", "dotnet" },
        };
        command.ArgumentList.Add(typeof(Cli).Assembly.Location);
        foreach (var arg in args) command.ArgumentList.Add(arg);
        command.Environment["TERM"] = "dumb";
        return new Screen(new FileStream(new SafeFileHandle(handle, ownsHandle: true), FileAccess.ReadWrite,
            bufferSize: 0), Process.Start(command)!);
    }

    public void Type(string keys) => master.Write(Encoding.UTF8.GetBytes(keys));

    public void Interrupt() => Assert.Equal(0, kill(process.Id, Interruption));

    public void WaitFor(string text, int times = 1)
    {
        var clock = Stopwatch.StartNew();
        while (Text.Split(text).Length <= times)
        {
            Assert.True(clock.Elapsed < Patience
                && (!HasEnded || clock.Elapsed < TimeSpan.FromSeconds(10)), $"'{text}' did not come; there is: {Text}");
            Thread.Sleep(20);
        }
    }

    public int ExitCode()
    {
        Assert.True(process.WaitForExit(Patience), $"it does not end; there is: {Text}");
        return process.ExitCode;
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
        master.Dispose();
    }

    private string Text
    {
        get
        {
            lock (shown) return shown.ToString();
        }
    }

    private void Read()
    {
        var buffer = new byte[1024];
        try
        {
            while (master.Read(buffer) is > 0 and var count)
                lock (shown) shown.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The other side is gone.
        }
    }

    [LibraryImport("libc")]
    private static partial int posix_openpt(int flags);

    [LibraryImport("libc")]
    private static partial int grantpt(int handle);

    [LibraryImport("libc")]
    private static partial int unlockpt(int handle);

    [LibraryImport("libc")]
    private static partial int ptsname_r(int handle, [Out] byte[] name, nuint length);

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
