"""The native plane, driven in this process over sockets: real listener, real journal, scripted providers."""
