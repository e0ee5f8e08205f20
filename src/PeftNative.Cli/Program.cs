using System.Text;
using Microsoft.Win32.SafeHandles;
using PeftNative.Cli;
using PeftNative.Cli.Output;

// Without this, Windows writes what is not ASCII in the console's old code page.
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
// The terminal itself edits lines: Console.In takes that over only while it reads, and loses an end (Ctrl-D) typed
// before.
using var standardInput = new SafeFileHandle(0, ownsHandle: false);
var input = Console.IsInputRedirected || OperatingSystem.IsWindows()
    ? Console.In : new StreamReader(new FileStream(standardInput, FileAccess.Read, bufferSize: 0));
using var interruption = Interruption.OfProcess();
var terminal = new Terminal(Console.Out, Console.Error, input, interruption)
{
    IsKeyboard = !Console.IsInputRedirected,
    IsLive = !Console.IsErrorRedirected,
    HasColour = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null or "",
};
return Cli.Run(args, terminal);
